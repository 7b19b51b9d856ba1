"""Is what a training is to run on there?"""

import torch

from ncf.errors import ConfigError
from ncf.hardware import HardwareConfig
from ncf.training.native.build import compiler


def check_hardware(hardware: HardwareConfig) -> None:
    """Refuse what this machine does not have.

    Raises:
        ConfigError: there is no such accelerator, there are fewer devices, or there is no compiler.
    """
    there = {"cpu": True, "auto": True, "gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[hardware.accelerator]:
        raise ConfigError(
            "this machine (or this build of torch) does not have the accelerator asked for",
            got=hardware.accelerator,
            allowed=", ".join(name for name, found in there.items() if found),
            do="leave hardware.accelerator at auto, or install the driver and a torch build for it",
        )
    most = _most_devices(hardware.accelerator)
    if hardware.devices > most:
        raise ConfigError(
            "there are fewer devices than asked for",
            got=hardware.devices,
            allowed=f"1 to {most}",
            do="lower hardware.devices, or make more visible (CUDA_VISIBLE_DEVICES)",
        )
    if hardware.compile:
        compiler()


def _most_devices(accelerator: str) -> int:
    """GPUs there are; CPU processes may be any number."""
    if accelerator != "cpu" and torch.cuda.is_available():
        return torch.cuda.device_count()
    if accelerator != "cpu" and torch.backends.mps.is_available():
        return 1
    return 1024
