import pytest
import torch

from ncf.hardware import HardwareConfig, available_cores, torch_threads


def test_the_number_is_put_back_after_an_error_too() -> None:
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        with pytest.raises(KeyError), torch_threads(before + 2):
            raise KeyError
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("hardware", "expected"), [(HardwareConfig(), 1), (HardwareConfig(threads=3), 3)])
def test_scoring_takes_one_thread_unless_told(hardware: HardwareConfig, expected: int) -> None:
    assert hardware.scoring_threads == expected


def test_a_limit_on_the_cores_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Joblib takes the least of affinity, a container's quota and this variable."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert available_cores() == 1
