// Says when a model's version changes, or is refused.
#pragma once

#include <string>
#include <vector>

#include "http/models.hpp"

namespace tunefleet::serve {

class VersionLog {
 public:
  explicit VersionLog(const ServedModels& models);

  /// Log what changed since the last time.
  void look();

 private:
  struct Seen {
    std::string version, error;
  };

  const ServedModels& models_;
  std::vector<Seen> seen_;
};

}  // namespace tunefleet::serve
