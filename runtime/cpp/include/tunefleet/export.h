/* What the shared library shows of itself. */
#ifndef TUNEFLEET_EXPORT_H_
#define TUNEFLEET_EXPORT_H_
#define TUNEFLEET_PUBLIC __attribute__((visibility("default")))
#endif /* TUNEFLEET_EXPORT_H_ */
