#include "library.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tunefleet {
namespace {

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(file, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(done));
  }
  return true;
}

/// Whether all that the loader maps is there: it trusts a file's headers, and faults behind its end.
bool whole(std::string_view bytes) {
  Elf64_Ehdr header;
  if (bytes.size() < sizeof header) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_X86_64 ||
      header.e_phentsize != sizeof(Elf64_Phdr))
    return false;
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    const uint64_t at = header.e_phoff + i * sizeof(Elf64_Phdr);
    if (at > bytes.size() || bytes.size() - at < sizeof(Elf64_Phdr)) return false;
    Elf64_Phdr part;
    std::memcpy(&part, bytes.data() + at, sizeof part);
    if (part.p_offset > bytes.size() || bytes.size() - part.p_offset < part.p_filesz) return false;
  }
  return true;
}

/// Code raises errors through libtvm_ffi and does not say where that is: it has to be among the
/// process's global symbols, also where the program loaded this library as a private one.
void show_tvm_ffi() {
  static const bool shown = [] {
    Dl_info found{};
    return ::dladdr(reinterpret_cast<void*>(&TVMFFIErrorMoveFromRaised), &found) != 0 &&
           ::dlopen(found.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL) != nullptr;
  }();
  static_cast<void>(shown);
}

}  // namespace

Result<std::shared_ptr<const Library>> Library::load(std::string_view bytes,
                                                     const std::string& name) {
  if (!whole(bytes))
    return Error{Code::kBundle, name + " cannot be loaded: it is no whole library; export it again"};
  show_tvm_ffi();
  const int file = ::memfd_create("tunefleet-code", MFD_CLOEXEC);
  if (file < 0 || !write_all(file, bytes)) {
    const Error error{Code::kSystem, "no memory for " + name + ": " + std::strerror(errno)};
    if (file >= 0) ::close(file);
    return error;
  }
  // The loader knows libraries by their paths: the file stays open, so that no other gets this one.
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = ::dlerror();
    Error error{Code::kBundle, name + " cannot be loaded: " + (why == nullptr ? "" : why) +
                                   "; export it again"};
    ::close(file);
    return error;
  }
  auto library = std::make_shared<Library>(handle, file);
  library->score_ = library->function("score");
  const auto* begin = static_cast<const char*>(::dlsym(handle, "_binary_contract_start"));
  const auto* end = static_cast<const char*>(::dlsym(handle, "_binary_contract_end"));
  if (library->score_ == nullptr || begin == nullptr || end == nullptr || end < begin)
    return Error{Code::kBundle, name + " is no code of a bucket; export it again"};
  library->contract_ = {begin, static_cast<size_t>(end - begin)};
  return std::shared_ptr<const Library>(std::move(library));
}

Library::~Library() {
  ::dlclose(handle_);
  ::close(file_);
}

TVMFFISafeCallType Library::function(const std::string& name) const {
  return reinterpret_cast<TVMFFISafeCallType>(::dlsym(handle_, ("__tvm_ffi_" + name).c_str()));
}

}  // namespace tunefleet
