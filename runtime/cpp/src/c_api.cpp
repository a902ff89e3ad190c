#include <memory>
#include <new>
#include <string>

#include "tunefleet/model.hpp"
#include "tunefleet/tunefleet.h"

struct tunefleet_model {
  std::shared_ptr<tunefleet::Model> model;
};

namespace {

thread_local std::string last_error;

int ended(const tunefleet::Status& status) noexcept {
  if (!status) return 0;
  last_error = status->message;
  return static_cast<int>(status->code);
}

int misused(const char* what) noexcept {
  return ended(tunefleet::Error{tunefleet::Code::kInput, what});
}

}  // namespace

int tunefleet_load(const char* folder, int watch_ms, tunefleet_model** model) {
  if (folder == nullptr || model == nullptr) return misused("tunefleet_load: a null pointer");
  *model = nullptr;
  tunefleet::Options options;
  options.watch_ms = watch_ms;
  auto loaded = tunefleet::Model::load(folder, options);
  if (!loaded) return ended(loaded.error());
  *model = new (std::nothrow) tunefleet_model{*loaded};
  return *model != nullptr ? 0 : ended(tunefleet::Error{tunefleet::Code::kSystem, "no memory"});
}

int tunefleet_score(tunefleet_model* model, const DLTensor* inputs, size_t num_inputs,
                    const DLTensor* outputs, size_t num_outputs) {
  if (model == nullptr || (inputs == nullptr && num_inputs != 0) ||
      (outputs == nullptr && num_outputs != 0))
    return misused("tunefleet_score: a null pointer");
  return ended(model->model->score(inputs, num_inputs, outputs, num_outputs));
}

int tunefleet_refresh(tunefleet_model* model) {
  if (model == nullptr) return misused("tunefleet_refresh: a null pointer");
  return ended(model->model->refresh());
}

void tunefleet_free(tunefleet_model* model) { delete model; }

const char* tunefleet_error(void) { return last_error.c_str(); }
