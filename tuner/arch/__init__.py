"""CPU architectures: what this host is, what LLVM knows, and what a kernel for one may assume."""

from tuner.arch.known import Simd, host_arch, resolve, runs_on, simd_of, target_of, toolchain

__all__ = ["Simd", "host_arch", "resolve", "runs_on", "simd_of", "target_of", "toolchain"]
