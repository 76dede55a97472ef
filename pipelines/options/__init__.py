"""One frozen dataclass a command: its options, defaults and help, for flags, YAML and Python alike."""

from heatpool.pipelines.options.ablate import AblateConfig
from heatpool.pipelines.options.archive import (
    CardConfig,
    ExportConfig,
    ImportConfig,
    MergeConfig,
    PackConfig,
    SubsetConfig,
    UnpackConfig,
    VerifyArchiveConfig,
)
from heatpool.pipelines.options.data import DoctorConfig, ManifestConfig
from heatpool.pipelines.options.demo import DemoConfig
from heatpool.pipelines.options.extract import ExtractConfig
from heatpool.pipelines.options.forecast import ForecastConfig
from heatpool.pipelines.options.fuse import CompareConfig, FuseConfig
from heatpool.pipelines.options.networks import NetworkOptions
from heatpool.pipelines.options.predict import PredictConfig
from heatpool.pipelines.options.store import ConvertConfig, InfoConfig, VerifyConfig
from heatpool.pipelines.options.train import DEFAULT_STREAMS, EvaluateConfig, TrainCommandConfig
from heatpool.pipelines.options.visualize import VisualizeConfig
from heatpool.pipelines.options.weights import WeightsListConfig, WeightsVerifyConfig

__all__ = [
    "DEFAULT_STREAMS",
    "AblateConfig",
    "CardConfig",
    "CompareConfig",
    "ConvertConfig",
    "DemoConfig",
    "DoctorConfig",
    "EvaluateConfig",
    "ExportConfig",
    "ExtractConfig",
    "ForecastConfig",
    "FuseConfig",
    "ImportConfig",
    "InfoConfig",
    "ManifestConfig",
    "MergeConfig",
    "NetworkOptions",
    "PackConfig",
    "PredictConfig",
    "SubsetConfig",
    "TrainCommandConfig",
    "UnpackConfig",
    "VerifyArchiveConfig",
    "VerifyConfig",
    "VisualizeConfig",
    "WeightsListConfig",
    "WeightsVerifyConfig",
]
