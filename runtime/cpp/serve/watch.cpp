#include "watch.hpp"

#include "log.hpp"

namespace tunefleet::serve {

VersionLog::VersionLog(const ServedModels& models) : models_(models), seen_(models.size()) {
  look();
}

void VersionLog::look() {
  for (size_t i = 0; i < models_.size(); ++i) {
    const ServedModel& served = *models_[i];
    const std::string version = served.version(), error = served.model->last_error();
    if (version != seen_[i].version)
      log_info("serving", {{"model", served.name},
                           {"version", version},
                           {"arch", served.model->arch()}});
    if (error != seen_[i].error && !error.empty())
      log_error("version refused",
                {{"model", served.name}, {"served", version}, {"reason", error}});
    seen_[i] = {version, error};
  }
}

}  // namespace tunefleet::serve
