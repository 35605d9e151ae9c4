"""CUDA's errors, in the words of its libraries and of torch, and which of them a retry with more of a GPU may mend."""

from __future__ import annotations

import pytest
import torch

from hpmkd.sweep.failures import kind_of
from hpmkd.sweep.gpu_errors import neighbour_may_be_why, retry_with_more

# torch's text after the reason: its words must not decide.
TAIL = """
Search for `cudaErrorX' in https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html for more information.
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.
"""
# In torch 2.8 and later a class of its own.
Accelerator: type[RuntimeError] = getattr(torch, "AcceleratorError", RuntimeError)
MEMORY = [
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB",
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "CUDA ran out of memory outside PyTorch's allocator. If this workload uses many dynamic shapes, cuDNN may need",
    "expandable_segments: memory mapping failed with OOM on device 0",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasLtCreate(&handle)`",
    "CUDA error: CUBLAS_STATUS_INTERNAL_ERROR when calling `cublasGemmEx( handle, opa, opb)`",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR",
    "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    "cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR, when calling `cusolverDnCreate(handle)`.",
    "cusolver error: CUSOLVER_STATUS_NOT_INITIALIZED, when calling `cusolverDnCreate(handle)`.",
    "cuFFT error: CUFFT_ALLOC_FAILED",
    "GET was unable to find an engine to execute this computation",
    "FIND was unable to find an engine to execute this computation",
    "Unable to find a valid cuDNN algorithm to run convolution",
    "cuDNN Frontend error: [cudnn_frontend] Error: No valid execution plans built.",
]
TAKEN = [
    "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
    "CUDA error: all CUDA-capable devices are busy or unavailable",
    "CUDA error: exclusive-thread device already in use by a different thread",
    "CUDA error: initialization error",
    "cuda runtime error (3) : initialization error at /aten/src/THC/THCGeneral.cpp:50",
]
SHARED = [
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: unspecified launch failure",
    "CUDA error: misaligned address",
    "CUDA error: an illegal instruction was encountered",
    "CUDA error: invalid program counter",
    "CUDA error: hardware stack error",
    "CUDA error: operation not supported on global/shared address space",
    "CUDA error: the launch timed out and was terminated",
    "CUDA error: uncorrectable ECC error encountered",
    "CUDA error: context is destroyed",
    "CUDA driver error: an illegal memory access was encountered",
    "Triton Error [CUDA]: an illegal memory access was encountered",
    "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, opb)`",
    "CUDA error: CUBLAS_STATUS_MAPPING_ERROR when calling `cublasSgemm( handle, opa, opb)`",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED_CUDART",
    "Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that "
    "might have already set an error? Error 805: MPS client failed to connect to the MPS control daemon or MPS server",
    "CUDA error: the remote procedural call between the MPS server and the MPS client failed",
    "CUDA error: MPS server is not ready to accept new MPS client requests",
    "CUDA error: the hardware resources required to create MPS client have been exhausted",
    "CUDA error: the hardware resources required to support device connections have been exhausted",
    "CUDA error: the MPS client has been terminated by the server",
]
NO_HELP = [
    "CUDA error: device-side assert triggered",
    "CUDA error: invalid device ordinal",
    "CUDA error: invalid argument",
    "CUDA error: invalid configuration argument",
    "CUDA error: too many resources requested for launch",
    "CUDA error: no kernel image is available for execution on the device",
    "CUDA error: operation not permitted when stream is capturing",
    "CUDA error: CUBLAS_STATUS_INVALID_VALUE when calling `cublasSgemm( handle, opa, opb)`",
    "CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasLtMatmul( handle)`",
    "cuDNN error: CUDNN_STATUS_BAD_PARAM",
    "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input.",
    "mat1 and mat2 shapes cannot be multiplied (256x24 and 25x10)",
    "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
    "The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1",
    "torch.cuda: is using CUDA Dynamic Parallelism, but the current configuration, like MPS, does not support it",
]


@pytest.mark.parametrize("text", MEMORY + TAKEN + SHARED)
@pytest.mark.parametrize("kind", sorted({RuntimeError, Accelerator}, key=str))
def test_more_of_a_gpu_may_help(text: str, kind: type[RuntimeError]) -> None:
    assert kind_of(kind(text + TAIL)) == "killed"
    assert neighbour_may_be_why(kind(text + TAIL)) == (text in SHARED)


@pytest.mark.parametrize("text", NO_HELP)
def test_nothing_of_a_gpu_helps(text: str) -> None:
    assert kind_of(Accelerator(text + TAIL)) == "error"
    assert not neighbour_may_be_why(Accelerator(text + TAIL))


def test_an_error_at_the_first_use_of_cuda() -> None:
    """torch's class for it is no RuntimeError."""
    error = torch.cuda.DeferredCudaCallError(f"CUDA call failed lazily at initialization with error: {TAKEN[0]}")
    assert not isinstance(error, RuntimeError)
    assert kind_of(error) == "killed"


def test_the_words_of_other_errors_do_not_count() -> None:
    assert not retry_with_more(RuntimeError("my own initialization error"))
    assert not retry_with_more(ValueError("CUDA error: out of memory"))
    assert not retry_with_more(FileNotFoundError("CUDA error: unspecified launch failure"))
