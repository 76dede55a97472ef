"""The embedded default: a small detector and a small pose network that know rendered people only."""

from __future__ import annotations

from heatpool.extract.networks.tiny.backbone import TinyBackbone, load_tiny_backbone, load_tiny_detector
from heatpool.extract.networks.tiny.network import TinyPose

__all__ = ["TinyBackbone", "TinyPose", "load_tiny_backbone", "load_tiny_detector"]
