"""One frozen dataclass a command: its options, defaults and help, for flags, YAML and Python alike."""

from pipelines.configs.ablation import AblateConfig
from pipelines.configs.archive import (
    CardConfig,
    ExportConfig,
    ImportConfig,
    MergeConfig,
    PackConfig,
    SubsetConfig,
    UnpackConfig,
    VerifyArchiveConfig,
)
from pipelines.configs.data import DoctorConfig, ManifestConfig
from pipelines.configs.demo import DemoConfig
from pipelines.configs.extraction import ExtractConfig
from pipelines.configs.forecast import ForecastConfig
from pipelines.configs.fusion import CompareConfig, FuseConfig
from pipelines.configs.networks import NetworkOptions
from pipelines.configs.prediction import PredictConfig
from pipelines.configs.store import ConvertConfig, InfoConfig, VerifyConfig
from pipelines.configs.training import DEFAULT_STREAMS, EvaluateConfig, TrainCommandConfig
from pipelines.configs.visualize import VisualizeConfig
from pipelines.configs.weights import WeightsListConfig, WeightsVerifyConfig

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
