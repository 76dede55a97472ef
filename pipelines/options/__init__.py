"""One frozen dataclass a command: its options, defaults and help, for flags, YAML and Python alike."""

from heatpool.pipelines.options.ablate import AblateOptions
from heatpool.pipelines.options.archive import (
    CardOptions,
    ExportOptions,
    MergeOptions,
    PackOptions,
    PushOptions,
    SubsetOptions,
    UnpackOptions,
    VerifyArchiveOptions,
)
from heatpool.pipelines.options.archive_import import ImportOptions
from heatpool.pipelines.options.compare import CompareOptions
from heatpool.pipelines.options.completion import CompletionOptions
from heatpool.pipelines.options.convert import ConvertOptions
from heatpool.pipelines.options.demo import DemoOptions
from heatpool.pipelines.options.doctor import DoctorOptions
from heatpool.pipelines.options.evaluate import EvaluateOptions
from heatpool.pipelines.options.extract import ExtractOptions
from heatpool.pipelines.options.forecast import ForecastOptions
from heatpool.pipelines.options.fuse import FuseOptions
from heatpool.pipelines.options.info import InfoOptions
from heatpool.pipelines.options.manifest import ManifestOptions
from heatpool.pipelines.options.networks import NetworkOptions
from heatpool.pipelines.options.predict import PredictOptions
from heatpool.pipelines.options.relabel import RelabelOptions
from heatpool.pipelines.options.train import DEFAULT_STREAMS, TrainOptions
from heatpool.pipelines.options.verify import VerifyOptions
from heatpool.pipelines.options.visualize import VisualizeOptions
from heatpool.pipelines.options.weights import (
    WeightsFetchOptions,
    WeightsListOptions,
    WeightsVerifyOptions,
)
from heatpool.pipelines.options.weights_import import WeightsImportOptions

__all__ = [
    "DEFAULT_STREAMS",
    "AblateOptions",
    "CardOptions",
    "CompareOptions",
    "CompletionOptions",
    "ConvertOptions",
    "DemoOptions",
    "DoctorOptions",
    "EvaluateOptions",
    "ExportOptions",
    "ExtractOptions",
    "ForecastOptions",
    "FuseOptions",
    "ImportOptions",
    "InfoOptions",
    "ManifestOptions",
    "MergeOptions",
    "NetworkOptions",
    "PackOptions",
    "PredictOptions",
    "PushOptions",
    "RelabelOptions",
    "SubsetOptions",
    "TrainOptions",
    "UnpackOptions",
    "VerifyArchiveOptions",
    "VerifyOptions",
    "VisualizeOptions",
    "WeightsFetchOptions",
    "WeightsImportOptions",
    "WeightsListOptions",
    "WeightsVerifyOptions",
]
