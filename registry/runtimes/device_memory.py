"""Rows on a GPU and answers back, by the CUDA driver's interface: what XGBoost wants of data on its own device.

XGBoost takes rows in the processor's memory for a model on a device too, but makes a sparse matrix of them at each
call. The driver's library is there wherever a GPU can be used; nothing else is needed for two copies.
Functions: CUDA driver API, https://docs.nvidia.com/cuda/cuda-driver-api/.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any, Final

from registry.errors import DeviceUnavailable

from .base import Rows

LIBRARY: Final = "libcuda.so.1"
_POINTER: Final = ctypes.c_uint64


class DeviceMemory:
    """One buffer on the first device, in the context that XGBoost uses there (the device's primary one).

    MUST NOT be used from two threads at once; may be from one after another.
    """

    def __init__(self) -> None:
        """Raises DeviceUnavailable: no driver, or no device."""
        try:
            self._library: Final[Any] = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise DeviceUnavailable(f"device 'cuda': the driver is not there: {error}") from error
        self._context: Final = ctypes.c_void_p()
        device = ctypes.c_int()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)
        self._buffer: Final = _POINTER()
        self._size = 0
        # The context is the process's: it goes with the process, and the buffer when the model goes.
        weakref.finalize(self, _free, self._library, self._context, self._buffer)

    def put(self, rows: Rows) -> int:
        """Copy the rows there; their address, good until the next call."""
        self._call("cuCtxSetCurrent", self._context)
        if rows.nbytes > self._size:
            self._grow(rows.nbytes)
        self._call(
            "cuMemcpyHtoD_v2", self._buffer, ctypes.c_void_p(rows.ctypes.data), ctypes.c_size_t(rows.nbytes)
        )
        return self._buffer.value

    def get(self, address: int, size: int) -> bytes:
        """So many bytes from there, when all work of the device that was begun is done."""
        into = ctypes.create_string_buffer(size)
        self._call("cuCtxSynchronize")
        self._call("cuMemcpyDtoH_v2", into, _POINTER(address), ctypes.c_size_t(size))
        return into.raw

    def _grow(self, size: int) -> None:
        if self._size:
            self._call("cuMemFree_v2", self._buffer)
            self._buffer.value, self._size = 0, 0
        wanted = 1 << (size - 1).bit_length()
        self._call("cuMemAlloc_v2", ctypes.byref(self._buffer), ctypes.c_size_t(wanted))
        self._size = wanted

    def _call(self, name: str, *arguments: Any) -> None:
        failed = getattr(self._library, name)(*arguments)
        if failed:
            said = ctypes.c_char_p()
            self._library.cuGetErrorString(failed, ctypes.byref(said))
            what = (said.value or b"unknown").decode(errors="replace")
            if name.startswith(("cuInit", "cuDevice")):
                raise DeviceUnavailable(f"device 'cuda': {name}: {what}")
            raise RuntimeError(f"{name}: {what} (CUDA error {failed})")


def _free(library: Any, context: ctypes.c_void_p, buffer: ctypes.c_uint64) -> None:
    """At the end of a process the driver may be gone already: an error of these calls changes nothing."""
    if buffer.value:
        library.cuCtxSetCurrent(context)
        library.cuMemFree_v2(buffer)
