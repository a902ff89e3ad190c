/* tunefleet for C, and for every language that calls C. See model.hpp for what it does. */
#ifndef TUNEFLEET_TUNEFLEET_H_
#define TUNEFLEET_TUNEFLEET_H_

#include <dlpack/dlpack.h>
#include <stddef.h>

#include "tunefleet/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tunefleet_model tunefleet_model;

/* 0, or one of these; the text of the calling thread's last error is `tunefleet_error`. */
enum {
  TUNEFLEET_INPUT = 1,
  TUNEFLEET_BUNDLE = 2,
  TUNEFLEET_CPU = 3,
  TUNEFLEET_SYSTEM = 4,
};

/* Read a bundle; `watch_ms` of 0 never looks for a new version by itself. */
TUNEFLEET_PUBLIC int tunefleet_load(const char* folder, int watch_ms, tunefleet_model** model);
TUNEFLEET_PUBLIC int tunefleet_score(tunefleet_model* model, const DLTensor* inputs, size_t num_inputs,
                    const DLTensor* outputs, size_t num_outputs);
TUNEFLEET_PUBLIC int tunefleet_refresh(tunefleet_model* model);
/* No call may be in flight. */
TUNEFLEET_PUBLIC void tunefleet_free(tunefleet_model* model);
/* Valid until the thread's next call. */
TUNEFLEET_PUBLIC const char* tunefleet_error(void);

#ifdef __cplusplus
}
#endif
#endif /* TUNEFLEET_TUNEFLEET_H_ */
