#include "http/session.hpp"

#include <limits>

#include "http/answers.hpp"

namespace tunefleet::serve {
namespace {

/// Request line and headers.
constexpr size_t kMostHead = 8192;
constexpr size_t kAhead = 16384;
/// A connection that is unused ends so long after the server began to drain.
constexpr std::chrono::milliseconds kIdleDraining{1000};
/// For a client to read why its request was not read to its end.
constexpr std::chrono::milliseconds kLinger{1000};
/// JSON of which more is read or written elsewhere: a millisecond or two.
constexpr size_t kMuch = 128u << 10;

}  // namespace

template <class Method>
auto Session::then(Method method) {
  return [self = shared_from_this(), method](const error_code& failed, auto&&...) {
    (self.get()->*method)(failed);
  };
}

template <class Step>
void Session::attempt(Step step) {
  try {
    step();
  } catch (const std::exception&) {
    refuse(response_, 500, "out of memory");
    closing_ = true;
  }
}

template <class Step, class After>
void Session::run(size_t bytes, Step step, After after) {
  if (bytes <= kMuch) {
    attempt(step);
    return after();
  }
  // The last to let go of this has to be the socket's thread.
  asio::post(service_.slow, [step, after, self = shared_from_this(),
                             work = asio::make_work_guard(socket_.get_executor())]() mutable {
    self->attempt(step);
    const auto here = self->socket_.get_executor();
    asio::post(here, [after, self = std::move(self)] { after(); });
  });
}

Session::~Session() {
  // Whoever hears of its end may be waiting to end what these count in.
  infer_.reset();
  held_.reset();
  ended_(this);
}

void Session::next_request() {
  closing_ = false;
  response_ = {};
  parser_.emplace();
  parser_->header_limit(kMostHead);
  // Bodies are measured in body_length.cpp. No limit at all would be 0 to Beast of Boost 1.74.
  parser_->body_limit(std::numeric_limits<uint64_t>::max());
  if (buffer_.size() != 0) return read_head();
  idle_ = true;
  deadline_ = Clock::now() + (draining_ ? kIdleDraining : service_.idle);
  socket_.async_read_some(buffer_.prepare(kAhead),
                          [self = shared_from_this()](const error_code& failed, size_t size) {
                            self->idle_ = false;
                            if (failed) return;
                            self->buffer_.commit(size);
                            self->read_head();
                          });
}

void Session::read_head() {
  begun_ = Clock::now();
  deadline_ = begun_ + service_.transfer;
  timed_out_ = false;
  http::async_read_header(socket_, buffer_, *parser_, then(&Session::on_head));
}

void Session::on_head(const error_code& failed) {
  if (failed && timed_out_) return fail(408, "the request did not arrive in time");
  if (failed == http::error::header_limit || failed == http::error::buffer_overflow)
    return fail(431, "the request's head is too large");
  if (failed == http::error::end_of_stream) return;
  if (failed && failed.category() == make_error_code(http::error::bad_method).category())
    return fail(400, "the request is no HTTP that is understood");
  if (failed) return;
  const Head& head = parser_->get();
  std::optional<size_t> place;
  attempt([&] { place = service_.routes.find(head, response_); });
  if (place) return begin_infer(*place);
  // Its body is not read.
  closing_ = closing_ || head.count(http::field::transfer_encoding) != 0 ||
             parser_->content_length().value_or(0) != 0;
  send();
}

void Session::begin_infer(size_t place) {
  ServedModel& served = *service_.models[place];
  const BodyLength length = body_length(parser_->get(), service_.most_body);
  closing_ = true;
  held_.emplace(service_.waiting, length.bytes, service_.most_waiting);
  // What is not read gets no room.
  infer_.emplace(served, place, held_->fits ? length : BodyLength());
  if (length.refused != 0) {
    refuse(response_, length.refused, length.reason);
  } else if (!held_->fits) {
    shed(response_, "too many bytes are waiting");
  } else if (infer_->body.data() == nullptr) {
    refuse(response_, 500, "out of memory");
  } else {
    return continue_then_read_body();
  }
  finish_infer();
}

void Session::continue_then_read_body() {
  static constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";
  const bool asked = boost::beast::iequals(parser_->get()[http::field::expect], "100-continue");
  if (!asked || buffer_.size() >= infer_->body.size()) return read_body();
  asio::async_write(socket_, asio::buffer(kContinue, sizeof kContinue - 1),
                    [self = shared_from_this()](const error_code& failed, size_t) {
                      failed ? self->on_body(failed) : self->read_body();
                    });
}

void Session::read_body() {
  Body& body = infer_->body;
  const size_t here = asio::buffer_copy(asio::buffer(body.data(), body.size()), buffer_.data());
  buffer_.consume(here);
  if (here == body.size()) return on_body({});
  asio::async_read(socket_, asio::buffer(body.data() + here, body.size() - here),
                   then(&Session::on_body));
}

void Session::on_body(const error_code& failed) {
  deadline_ = Clock::time_point::max();
  if (failed) {
    if (timed_out_)
      refuse(response_, 408, "the request did not arrive in time");
    else
      refuse(response_, 400, "the body is cut off");
    return finish_infer();
  }
  closing_ = false;
  // Before the work of reading it: what is refused has to cost little.
  if (service_.batcher.overloaded()) {
    shed(response_, "too many requests are waiting");
    return finish_infer();
  }
  parsed_ = false;
  run(infer_->body.head(), [this] { parsed_ = infer_->parse(response_); }, [this] { submit(); });
}

void Session::submit() {
  if (!parsed_) return finish_infer();
  infer_->job.ended = [this, work = asio::make_work_guard(socket_.get_executor())] {
    asio::post(work.get_executor(), [this] { on_scored(); });
  };
  // Whoever scores must not be the one who lets go of this last.
  waiting_ = shared_from_this();
  if (service_.batcher.submit(infer_->lane, infer_->job)) return;
  waiting_.reset();
  shed(response_, "too many requests are waiting");
  finish_infer();
}

void Session::on_scored() {
  const auto self = std::move(waiting_);
  run(infer_->json_bytes(), [this] { infer_->finish(response_); }, [this] { finish_infer(); });
}

void Session::finish_infer() {
  ModelMetrics& metrics = infer_->served.metrics;
  metrics.count(static_cast<int>(response_.result_int()));
  metrics.answered.observe(seconds_since(begun_));
  infer_.reset();
  held_.reset();
  send();
}

void Session::fail(int status, const std::string& reason) {
  refuse(response_, status, reason);
  closing_ = true;
  send();
}

void Session::send() {
  const auto& request = parser_->get();
  const bool understood = parser_->is_header_done();
  response_.version(understood ? request.version() : 11);
  response_.keep_alive(understood && request.keep_alive() && !closing_ && !draining_);
  response_.prepare_payload();
  serializer_.emplace(response_);
  deadline_ = Clock::now() + service_.transfer;
  if (understood && request.method() == http::verb::head)
    http::async_write_header(socket_, *serializer_, then(&Session::on_sent));
  else
    http::async_write(socket_, *serializer_, then(&Session::on_sent));
}

void Session::on_sent(const error_code& failed) {
  if (failed) return;
  if (closing_) return linger();
  if (response_.keep_alive()) next_request();
}

void Session::linger() {
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  deadline_ = Clock::now() + kLinger;
  wait_for_end();
}

void Session::wait_for_end() {
  buffer_.clear();
  socket_.async_read_some(buffer_.prepare(kAhead),
                          [self = shared_from_this()](const error_code& failed, size_t) {
                            if (!failed) self->wait_for_end();
                          });
}

void Session::drain() {
  draining_ = true;
  if (idle_) deadline_ = std::min(deadline_, Clock::now() + kIdleDraining);
}

void Session::look_at(Clock::time_point now) {
  if (now < deadline_) return;
  deadline_ = Clock::time_point::max();
  timed_out_ = true;
  error_code ignored;
  socket_.cancel(ignored);
}

void Session::cut() {
  error_code ignored;
  socket_.shutdown(Socket::shutdown_both, ignored);
}

}  // namespace tunefleet::serve
