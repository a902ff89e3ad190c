// Sends requests to an HTTP server at a set rate, whether it keeps up or not, and times the answers.
//
//   tunefleet-load PORT PATH BODY HEAD CONNECTIONS RATE SECONDS
//
// BODY is a file, of which the first HEAD bytes are JSON. Requests are due at random times, as many
// a second as RATE says, and are timed from when they are due, also while they wait for a connection:
// a server that falls behind cannot make the load lighter. RATE 0 sends on every connection as soon as
// its last answer came, whatever that was.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <deque>
#include <fstream>
#include <random>
#include <sstream>

#include "bench.hpp"

namespace tunefleet::bench {
namespace {

/// Answers that are still awaited when the time is over.
constexpr double kGrace = 2.0;

struct Client {
  int socket = -1;
  double due = 0.0;
  std::string answer;
};

/// Of a whole answer at the front of `text`; 0 if it is not whole.
int status_of(const std::string& text) {
  const size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  size_t at = text.find("Content-Length: ");
  if (at == std::string::npos || at > end) at = text.find("content-length: ");
  if (at == std::string::npos || at > end) fail("an answer has no length");
  if (text.size() < end + 4 + std::stoull(text.substr(at + 16, 20))) return 0;
  return std::stoi(text.substr(9, 3));
}

class Load {
 public:
  Load(uint16_t port, std::string request, size_t connections)
      : port_(port), request_(std::move(request)), poll_(::epoll_create1(0)), clients_(connections) {
    for (size_t at = 0; at < connections; ++at) connect(at);
  }

  void run(double rate, double seconds) {
    std::mt19937_64 random(1);
    std::exponential_distribution<double> pause(rate > 0.0 ? rate : 1.0);
    begin_ = now();
    const double end = end_ = begin_ + seconds;
    double next = rate > 0.0 ? begin_ + pause(random) : end;
    if (rate <= 0.0)
      while (!idle_.empty()) send(now());
    while (now() < end + kGrace && (now() < end || busy() || !waiting_.empty())) {
      for (; next <= now() && next < end; next += pause(random)) waiting_.push_back(next);
      while (!waiting_.empty() && !idle_.empty()) {
        send(waiting_.front());
        waiting_.pop_front();
      }
      const double until = next < end ? next : end + kGrace;
      // A millisecond is the least that epoll waits: shorter pauses are spent looking.
      const int wait = until - now() > 0.002 ? 1 : 0;
      epoll_event events[64];
      const int count = ::epoll_wait(poll_, events, 64, wait);
      for (int i = 0; i < count; ++i) {
        receive(events[i].data.u64);
        if (rate <= 0.0 && now() < end && !idle_.empty()) send(now());
      }
    }
    // What never came back waited at least that long.
    failed_ += busy() + waiting_.size();
  }

  void print() const {
    const double seconds = end_ - begin_;
    std::printf("offered %zu\nanswered %zu\nrefused %zu\nfailed %zu\n", sent_.size(), scored_.size(),
                refused_.size(), failed_);
    std::printf("per_s %.1f\n", static_cast<double>(in_time_) / seconds);
    std::printf("refused_per_s %.1f\n", static_cast<double>(refused_.size()) / seconds);
    for (const auto& [name, times] :
         {std::pair{"sent", &sent_}, {"answered", &scored_}, {"refused", &refused_}}) {
      if (times->empty()) continue;
      for (const auto& [part, share] : {std::pair{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}})
        std::printf("%s_%s_us %.1f\n", name, part, quantile(*times, share) * 1e6);
    }
  }

 private:
  size_t busy() const { return clients_.size() - idle_.size(); }

  void connect(size_t at) {
    Client& client = clients_[at];
    client.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(client.socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      fail("nobody listens on the port");
    const int on = 1;
    ::setsockopt(client.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = at;
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, client.socket, &event);
    idle_.push_back(at);
  }

  void send(double due) {
    const size_t at = idle_.front();
    idle_.pop_front();
    clients_[at].due = due;
    sent_.push_back(now() - due);
    clients_[at].answer.clear();
    if (::send(clients_[at].socket, request_.data(), request_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request_.size()))
      lose(at);
  }

  void receive(size_t at) {
    Client& client = clients_[at];
    char bytes[16384];
    const ssize_t done = ::recv(client.socket, bytes, sizeof bytes, MSG_DONTWAIT);
    if (done <= 0) return lose(at);
    client.answer.append(bytes, static_cast<size_t>(done));
    const int status = status_of(client.answer);
    if (status == 0) return;
    const double came = now(), took = came - client.due;
    if (status == 200) in_time_ += came < end_;
    if (status == 200)
      scored_.push_back(took);
    else if (status == 503)
      refused_.push_back(took);
    else
      fail("an answer is " + client.answer.substr(0, 300));
    idle_.push_back(at);
  }

  void lose(size_t at) {
    ++failed_;
    ::close(clients_[at].socket);
    connect(at);
  }

  const uint16_t port_;
  const std::string request_;
  const int poll_;
  std::vector<Client> clients_;
  std::deque<size_t> idle_;
  std::deque<double> waiting_;
  double begin_ = 0.0, end_ = 0.0;
  /// Seconds from when each was due until it was sent, scored or refused.
  std::vector<double> sent_, scored_, refused_;
  /// Scored before the time was over.
  size_t in_time_ = 0;
  size_t failed_ = 0;
};

}  // namespace
}  // namespace tunefleet::bench

int main(int argc, char** argv) {
  using namespace tunefleet::bench;
  if (argc != 8) fail("usage: tunefleet-load PORT PATH BODY HEAD CONNECTIONS RATE SECONDS");
  std::ostringstream body;
  body << std::ifstream(argv[3], std::ios::binary).rdbuf();
  std::string request = std::string("POST ") + argv[2] + " HTTP/1.1\r\nHost: localhost\r\n" +
                        "Inference-Header-Content-Length: " + argv[4] +
                        "\r\nContent-Length: " + std::to_string(body.str().size()) + "\r\n\r\n" +
                        body.str();
  Load load(static_cast<uint16_t>(std::stoi(argv[1])), std::move(request), std::stoul(argv[5]));
  load.run(std::stod(argv[6]), std::stod(argv[7]));
  load.print();
  return 0;
}
