"""The program `heatpool`: options from flags or YAML, one clear line for each error, exit codes.

Exit codes: 0 good; 1 error; 2 usage; 3 finished, but some clips failed; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any, NoReturn, get_type_hints

from jsonargparse import ActionConfigFile, ArgumentParser, DefaultHelpFormatter

from pipelines import configs
from pool.errors import HeatpoolError

__all__ = ["main"]


@dataclass(frozen=True)
class _Command:
    """A command: its configuration, the module whose `run` does it, and examples for its help.

    `bare` names the option that a word without dashes stands for.
    """

    config: type[Any]
    module: str
    examples: str
    bare: str = ""


_COMMANDS: dict[str, _Command] = {
    "demo": _Command(configs.DemoConfig, "pipelines.demo", "heatpool demo"),
    "manifest": _Command(
        configs.ManifestConfig,
        "pipelines.manifest",
        "heatpool manifest --videos my_videos --out clips.csv",
    ),
    "extract": _Command(
        configs.ExtractConfig,
        "pipelines.extract",
        "heatpool extract                                   the demo data set\n"
        "heatpool extract --videos clips.csv --out features.zarr --backend onnx \\\n"
        "    --weights pose.onnx --tap relu4 --detector boxes-file --boxes boxes.csv\n"
        "heatpool extract --videos clips.csv --out features.zarr … --resume",
    ),
    "info": _Command(configs.InfoConfig, "pipelines.info", "heatpool info features.zarr", bare="store"),
    "train": _Command(
        configs.TrainCommandConfig,
        "pipelines.train",
        "heatpool train                                     the demo's features\n"
        "heatpool train --features features.zarr --split xsub --device cuda\n"
        "heatpool train --features features.zarr --split xsub --resume",
    ),
    "evaluate": _Command(
        configs.EvaluateConfig,
        "pipelines.evaluate",
        "heatpool evaluate --run work_dirs/features-xsub --part test",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    # Threads that wait for each other must sleep, not spin: with one core taken by something else, spinning
    # made the networks ten times slower here. OpenMP reads this when torch is imported, which is below.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = next((word for word in arguments if word in _COMMANDS), "")
    try:
        config = _parse(arguments, name)
        run: Callable[[Any], int] = import_module(_COMMANDS[name].module).run
        return run(config)
    except HeatpoolError as error:
        print(f"heatpool {name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"heatpool {name}: interrupted; what was finished is kept", file=sys.stderr)
        return 130


class _Parser(ArgumentParser):
    """An argument parser that answers bad usage with one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        text = " ".join(str(message).split())
        print(f"{self.prog.split(' [')[0]}: {text}; see --help", file=sys.stderr)
        raise SystemExit(2)


class _Formatter(DefaultHelpFormatter):
    """Help with options as people type them, and examples as they are written."""

    def _format_action_invocation(self, action: Any) -> str:
        return super()._format_action_invocation(action).replace("_", "-")

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in text.splitlines())


def _parse(arguments: Sequence[str], name: str) -> Any:
    parser = _Parser(
        prog=f"heatpool {name}".strip(),
        description="Actions from pooled heatmap features.",
        formatter_class=_Formatter,
    )
    commands = parser.add_subcommands(required=True)
    for each, command in _COMMANDS.items():
        commands.add_subcommand(each, _subparser(each, command), help=_summary(command.config))
    parsed = parser.parse_args(_spell(arguments, name))
    values = parsed[parsed["subcommand"]].as_dict()
    values.pop("config", None)
    try:
        return _COMMANDS[name].config(**values)
    except ValueError as error:
        parser.error(str(error))


def _subparser(name: str, command: _Command) -> ArgumentParser:
    parser = _Parser(
        prog=f"heatpool {name}",
        usage=f"heatpool {name} [options]",
        description=_summary(command.config),
        epilog="examples:\n" + "\n".join(f"  {line}" for line in command.examples.splitlines()),
    )
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file with any of these options")
    parser.add_class_arguments(command.config, as_group=False)
    return parser


def _summary(config: type[Any]) -> str:
    return (config.__doc__ or "").splitlines()[0]


def _spell(arguments: Sequence[str], name: str) -> list[str]:
    """Let options be written with dashes, switches without a value, and one option without its name."""
    if not name:
        return list(arguments)
    command = _COMMANDS[name]
    hints = get_type_hints(command.config)
    switches = {field.name for field in fields(command.config) if hints[field.name] is bool}
    start = list(arguments).index(name) + 1
    spelled = list(arguments[:start])
    words = deque(arguments[start:])
    while words:
        option, equals, value = words.popleft().partition("=")
        if not option.startswith("--"):
            word = option + equals + value
            spelled.append(f"--{command.bare}={word}" if command.bare and not word.startswith("-") else word)
            continue
        key = option[2:].replace("-", "_")
        has_value = bool(words) and not words[0].startswith("--")
        if key in switches and not equals and not (has_value and words[0].lower() in ("true", "false")):
            spelled.append(f"--{key}=true")
        elif equals:
            spelled.append(f"--{key}={value}")
        else:
            spelled.append(f"--{key}")
            if has_value:
                spelled.append(words.popleft())
    return spelled
