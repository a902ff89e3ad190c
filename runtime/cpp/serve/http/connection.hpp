// One client's connection, with limits on what it may cost.
#pragma once

#include <httplib.h>

#include <chrono>
#include <string>
#include <vector>

#include "http/turns.hpp"

namespace tunefleet::serve {

struct ConnectionLimits {
  std::chrono::milliseconds idle{60000};
  /// For a request to arrive, from its first byte, and for its answer to be taken.
  std::chrono::milliseconds transfer{10000};
  /// After the server began to drain.
  std::chrono::milliseconds idle_draining{1000};
};

/// Reads ahead, and sends an answer in one piece.
class Connection final : public httplib::Stream {
 public:
  /// Takes `socket` over; `drain` is a file that becomes readable when the server drains.
  Connection(int socket, int drain, const ConnectionLimits& limits);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Wait for the first byte of the next request; false if there will be none.
  bool next_request();

  /// Read exactly `size` bytes of the body; false if they do not come.
  bool read_body(char* to, size_t size);

  /// Send what was written; false if the client does not take it.
  bool flush();

  /// Give the client time to read an answer before its unread request makes the system forget it.
  void linger();

  /// Set while the connection has one; it is lent to others while nothing comes or goes.
  Turn* turn = nullptr;
  /// Set by whoever handles a request and does not read all of it.
  bool closing = false;
  /// Set once the head of a request was understood.
  bool understood = false;

  /// Why the last read failed, as a status of HTTP; 400 if the client went away or sent nonsense.
  int failure() const { return failure_; }
  std::chrono::steady_clock::time_point begun() const { return begun_; }
  /// As the last wait for a request found it.
  bool draining() const { return draining_; }

  // What cpp-httplib calls.
  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  /// cpp-httplib looks only whether it could be used with select(), which nothing here does.
  socket_t socket() const override { return 0; }

 private:
  using Clock = std::chrono::steady_clock;

  bool wait_for(short events, Clock::time_point deadline) const;
  ssize_t receive(char* to, size_t size);

  const int socket_, drain_;
  const ConnectionLimits limits_;
  std::vector<char> ahead_;
  size_t ahead_begin_ = 0, ahead_end_ = 0;
  /// Bytes of the head so far.
  size_t head_ = 0;
  int failure_ = 400;
  bool draining_ = false;
  std::string answer_;
  Clock::time_point begun_{};
};

}  // namespace tunefleet::serve
