// Boost.Beast and Asio, by the names that are used here.
#pragma once

#include <boost/asio.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace tunefleet::serve {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

/// What comes before a request's body.
using Head = http::request_header<>;
using Response = http::response<http::string_body>;

}  // namespace tunefleet::serve
