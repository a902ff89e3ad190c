#include "files.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tunefleet {
namespace {

constexpr uint64_t kMostText = 64u << 20;
/// What is hashed without a pause: less than what a call of a model takes.
constexpr size_t kPiece = 64u << 10;

Error failed(const std::string& path, const char* what) {
  const Code code = errno == ENOENT ? Code::kBundle : Code::kSystem;
  return {code, path + " cannot be " + what + ": " + std::strerror(errno)};
}

Error of_size(const std::string& path, uint64_t size, uint64_t bytes) {
  const std::string wanted = bytes != 0 ? std::to_string(bytes) : "1 to 67108864";
  return {Code::kBundle, path + " has " + std::to_string(size) + " bytes instead of " + wanted +
                             "; export the bundle again"};
}

class File {
 public:
  explicit File(const std::string& path) : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat found {};
    if (file_ >= 0 && ::fstat(file_, &found) == 0) size_ = static_cast<uint64_t>(found.st_size);
  }
  ~File() {
    if (file_ >= 0) ::close(file_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int get() const { return file_; }
  uint64_t size() const { return size_; }

 private:
  int file_;
  uint64_t size_ = 0;
};

}  // namespace

Result<std::string> read_file(const std::string& path, uint64_t bytes) {
  const File file(path);
  if (file.get() < 0) return failed(path, "read");
  const bool fits = bytes != 0 ? file.size() == bytes : file.size() - 1 < kMostText;
  if (!fits) return of_size(path, file.size(), bytes);
  std::string text(file.size(), '\0');
  for (size_t at = 0; at < text.size();) {
    const ssize_t done = ::read(file.get(), text.data() + at, text.size() - at);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return failed(path, "read");
    // Whoever writes to it meanwhile cut it off.
    if (done == 0) return of_size(path, at, text.size());
    at += static_cast<size_t>(done);
  }
  return text;
}

Result<std::shared_ptr<const Mapped>> Mapped::open(const std::string& path, uint64_t bytes) {
  const File file(path);
  if (file.get() < 0) return failed(path, "read");
  if (file.size() != bytes || bytes == 0) return of_size(path, file.size(), bytes);
  void* data = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) return failed(path, "mapped");
  return std::shared_ptr<const Mapped>(std::make_shared<Mapped>(data, bytes));
}

void Mapped::read() const {
  // Advice: where the system does not know it, pages are read when they are needed.
  ::madvise(const_cast<char*>(data_), size_, MADV_POPULATE_READ);
}

Mapped::~Mapped() { ::munmap(const_cast<char*>(data_), size_); }

std::string sha256(std::string_view bytes, const Pause& pause) {
  using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) return {};
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kPiece);
    if (EVP_DigestUpdate(context.get(), piece.data(), piece.size()) != 1) return {};
    bytes.remove_prefix(piece.size());
    if (pause) pause();
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (EVP_DigestFinal_ex(context.get(), digest, &length) != 1) return {};
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < length; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

}  // namespace tunefleet
