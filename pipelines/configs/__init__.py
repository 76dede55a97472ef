"""One frozen dataclass a command: its options, defaults and help, for flags, YAML and Python alike."""

from pipelines.configs.data import InfoConfig, ManifestConfig
from pipelines.configs.demo import DemoConfig
from pipelines.configs.extraction import ExtractConfig
from pipelines.configs.training import EvaluateConfig, TrainCommandConfig

__all__ = [
    "DemoConfig",
    "EvaluateConfig",
    "ExtractConfig",
    "InfoConfig",
    "ManifestConfig",
    "TrainCommandConfig",
]
