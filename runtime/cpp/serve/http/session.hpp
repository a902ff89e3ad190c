// One client's connection, with limits on what it may cost.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "http/beast.hpp"
#include "http/infer.hpp"
#include "http/routes.hpp"
#include "scoring/batcher.hpp"

namespace tunefleet::serve {

/// What all connections of a server have in common.
struct Service {
  Routes& routes;
  const ServedModels& models;
  Batcher& batcher;
  /// Requests that take long to read, and answers that take long to write, are for these threads:
  /// other connections would wait.
  asio::thread_pool& slow;
  /// Bytes of one body, and of all that are here at a time.
  size_t most_body = 16u << 20;
  size_t most_waiting = 512u << 20;
  std::chrono::milliseconds idle{60000};
  /// For a request to arrive, from its first byte, and for its answer to be taken.
  std::chrono::milliseconds transfer{10000};
  /// Bytes of bodies that are here.
  std::atomic<size_t> waiting{0};
};

/// Everything happens on the thread that runs the socket's executor, but for what is said to be slow.
class Session final : public std::enable_shared_from_this<Session> {
 public:
  using Socket = asio::generic::stream_protocol::socket;

  /// `ended` is called when it has gone.
  Session(Socket socket, Service& service, std::function<void(Session*)> ended)
      : socket_(std::move(socket)), service_(service), ended_(std::move(ended)) {}
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start() { next_request(); }
  /// End with the answer to the request that it is at, or to one that comes right now.
  void drain();
  /// Give up what has taken longer than it may.
  void look_at(Clock::time_point now);
  /// Hang up now.
  void cut();

 private:
  void next_request();
  void read_head();
  void on_head(const error_code& failed);
  void begin_infer(size_t place);
  void continue_then_read_body();
  void read_body();
  void on_body(const error_code& failed);
  void submit();
  void on_scored();
  void finish_infer();
  void send();
  void on_sent(const error_code& failed);
  void linger();
  void wait_for_end();

  /// The request is refused, and none after it is read.
  void fail(int status, const std::string& reason);
  /// Run `step`; if it throws, the request is answered so, and none after it is read.
  template <class Step>
  void attempt(Step step);
  /// Attempt `step` here, or where it may take its time, and then `after` here.
  template <class Step, class After>
  void run(size_t bytes, Step step, After after);
  /// A completion handler that keeps this alive.
  template <class Method>
  auto then(Method method);

  Socket socket_;
  Service& service_;
  const std::function<void(Session*)> ended_;
  boost::beast::flat_buffer buffer_{32768};
  std::optional<http::request_parser<http::empty_body>> parser_;
  Response response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
  std::optional<Infer> infer_;
  std::optional<Held> held_;
  /// This, while a request waits for its scores and nothing else keeps it.
  std::shared_ptr<Session> waiting_;
  Clock::time_point begun_{}, deadline_ = Clock::time_point::max();
  bool idle_ = false, draining_ = false, timed_out_ = false, parsed_ = false;
  /// No request is read after this one: what is left of it might be mistaken for one.
  bool closing_ = false;
};

}  // namespace tunefleet::serve
