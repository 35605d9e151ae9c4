"""What a CUDA error says of its cause: lack of memory, a GPU that is taken, or a fault that a neighbour may have made.

torch raises most of them as RuntimeError (`AcceleratorError`, since 2.8, is one too), so their words must tell them
apart. The words are those of the libraries themselves: `cudaGetErrorString` of CUDA 13, the names of states of cuBLAS,
cuDNN 9 and cuSOLVER, and torch's own where it has tried all of cuDNN's kernels. What neither memory nor solitude can
mend is not among them: wrong shapes or arguments, a device-side assert, kernels for another architecture.
"""

from __future__ import annotations

import re

# cuBLAS makes its handle, and cuDNN loads its kernels, outside of torch's allocator: they find no memory and say so.
_STATES = re.compile(
    r"\b(?:cublas|cublaslt|cudnn|cusolver|cusparse|curand|cufft|cudss)_(?:status_)?"
    r"(?:alloc_failed|not_initialized|internal_error|setup_failed|no_workspace|(execution_failed|exec_failed|mapping_error))"
)
_MEMORY = (
    "out of memory", "can't allocate memory", "cannot allocate memory", "failed with oom", "alloc_failed",
    # All kernels of cuDNN have been tried, none found its workspace.
    "unable to find an engine to execute", "unable to find a valid cudnn algorithm", "no valid execution plans built",
)  # fmt: skip
# A GPU in exclusive mode that another process has, or one whose context found no room.
_TAKEN = ("busy or unavailable", "already in use by a different thread", "initialization error")
# After these no work of the process on the GPU succeeds. MPS reports one client's to all of them, and ends them.
_FAULTS = (
    "an illegal memory access was encountered", "unspecified launch failure", "misaligned address",
    "an illegal instruction was encountered", "invalid program counter", "hardware stack error",
    "not supported on global/shared address space", "launch timed out and was terminated", "uncorrectable",
    "context is destroyed",
)  # fmt: skip
# MPS has no room for another client, or recovers from a fault until the last client that had it is gone.
_MPS = ("mps client", "mps server", "required to support device connections")
NEIGHBOUR = "where trials share a GPU under MPS, a fault of another one can be the cause"


def retry_with_more(error: BaseException) -> bool:
    """Whether more memory, or having the GPU alone, may help against an error of torch."""
    text = _words(error)
    return (
        any(words in text for words in _MEMORY) or bool(_STATES.search(text)) or _is_cuda(text, _TAKEN) or _fault(text)
    )


def neighbour_may_be_why(error: BaseException) -> bool:
    """Whether MPS gives such an error to all of a GPU's processes, whichever of them made it."""
    return _fault(_words(error))


def _fault(text: str) -> bool:
    state = _STATES.search(text)
    return _is_cuda(text, (*_FAULTS, *_MPS)) or bool(state and state[1])


def _is_cuda(text: str, reasons: tuple[str, ...]) -> bool:
    return "cuda" in text and any(words in text for words in reasons)


def _words(error: BaseException) -> str:
    """The text of an error that torch may have raised, in small letters; else nothing.

    torch puts what fails at CUDA's first use into an error that is no RuntimeError.
    """
    return (
        str(error).lower() if isinstance(error, RuntimeError) or type(error).__name__ == "DeferredCudaCallError" else ""
    )
