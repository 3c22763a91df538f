/*
 * The Java binding: NativeScript.java declares these. No Java reference is held between calls, and
 * no Java array is pinned: values go through the exchange.
 */
#include <jni.h>

#include "script_heap.h"

/* A call back into Java is on the stack of the run, so it fits in a frame of it. */
typedef struct caller {
  JNIEnv *env;
  jobject host;
} caller;

static jmethodID host_call;

JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM *vm, void *reserved) {
  (void) vm;
  (void) reserved;
  return JNI_VERSION_10;
}

static int32_t call_java(void *context, int operation, uint32_t length) {
  caller *c = context;
  jint answer = (*c->env)->CallIntMethod(c->env, c->host, host_call, (jint) operation, (jint) length);
  /* A pending exception stays pending: the run ends here, and Java gets it on return. */
  return (*c->env)->ExceptionCheck(c->env) ? HOST_ABORTED : answer;
}

JNIEXPORT void JNICALL Java_io_capsuledb_enclave_script_NativeScript_initialize(
    JNIEnv *env, jclass class, jclass host_class) {
  (void) class;
  host_call = (*env)->GetMethodID(env, host_class, "hostCall", "(II)I");
}

JNIEXPORT jlong JNICALL Java_io_capsuledb_enclave_script_NativeScript_create(
    JNIEnv *env, jclass class, jint heap_bytes, jint exchange_bytes) {
  int outcome;
  (void) env;
  (void) class;
  script_heap *heap = script_heap_create((uint32_t) heap_bytes, (uint32_t) exchange_bytes, &outcome);
  return heap == NULL ? -(jlong) outcome : (jlong) (uintptr_t) heap;
}

static script_heap *heap_of(jlong handle) {
  return (script_heap *) (uintptr_t) handle;
}

JNIEXPORT void JNICALL Java_io_capsuledb_enclave_script_NativeScript_destroy(
    JNIEnv *env, jclass class, jlong heap) {
  (void) env;
  (void) class;
  script_heap_destroy(heap_of(heap));
}

JNIEXPORT jlong JNICALL Java_io_capsuledb_enclave_script_NativeScript_exchange(
    JNIEnv *env, jclass class, jlong heap) {
  (void) env;
  (void) class;
  return (jlong) (uintptr_t) script_heap_exchange(heap_of(heap));
}

static script_limits limits_of(jlong cpu_ns, jlong wall_ns, jlong instructions, jint heap_bytes,
                               jint result_bytes, jint host_calls, jint call_depth,
                               jboolean clock_stands, jdouble now_ms, jlong seed0, jlong seed1) {
  script_limits limits = {.cpu_ns = cpu_ns,
                          .wall_ns = wall_ns,
                          .instructions = instructions,
                          .heap_bytes = (uint32_t) heap_bytes,
                          .result_bytes = (uint32_t) result_bytes,
                          .host_calls = (uint32_t) host_calls,
                          .call_depth = (uint32_t) call_depth,
                          .clock_stands = clock_stands != JNI_FALSE,
                          .now_ms = now_ms,
                          .seed = {(uint64_t) seed0, (uint64_t) seed1}};
  return limits;
}

JNIEXPORT jint JNICALL Java_io_capsuledb_enclave_script_NativeScript_load(
    JNIEnv *env, jclass class, jlong heap, jint mode, jobject host, jlong cpu_ns, jlong wall_ns,
    jlong instructions, jint heap_bytes, jint result_bytes, jint host_calls, jint call_depth,
    jboolean clock_stands, jdouble now_ms, jlong seed0, jlong seed1) {
  caller c = {env, host};
  script_limits limits = limits_of(cpu_ns, wall_ns, instructions, heap_bytes, result_bytes,
                                   host_calls, call_depth, clock_stands, now_ms, seed0, seed1);
  (void) class;
  return script_heap_load(heap_of(heap), mode, &limits, call_java, &c);
}

JNIEXPORT jlong JNICALL Java_io_capsuledb_enclave_script_NativeScript_call(
    JNIEnv *env, jclass class, jlong heap, jint function, jint length, jobject host, jlong cpu_ns,
    jlong wall_ns, jlong instructions, jint heap_bytes, jint result_bytes, jint host_calls,
    jint call_depth, jboolean clock_stands, jdouble now_ms, jlong seed0, jlong seed1) {
  caller c = {env, host};
  script_limits limits = limits_of(cpu_ns, wall_ns, instructions, heap_bytes, result_bytes,
                                   host_calls, call_depth, clock_stands, now_ms, seed0, seed1);
  (void) class;
  int outcome =
      script_heap_call(heap_of(heap), function, (uint32_t) length, &limits, call_java, &c);
  script_stats stats;
  script_heap_stats(heap_of(heap), &stats);
  /* Both at once: another call from Java costs more. */
  return (jlong) stats.result_bytes << 8 | outcome;
}

JNIEXPORT void JNICALL Java_io_capsuledb_enclave_script_NativeScript_cancel(
    JNIEnv *env, jclass class, jlong heap) {
  (void) env;
  (void) class;
  script_heap_cancel(heap_of(heap));
}

JNIEXPORT void JNICALL Java_io_capsuledb_enclave_script_NativeScript_clearCancel(
    JNIEnv *env, jclass class, jlong heap) {
  (void) env;
  (void) class;
  script_heap_clear_cancel(heap_of(heap));
}

JNIEXPORT void JNICALL Java_io_capsuledb_enclave_script_NativeScript_reset(
    JNIEnv *env, jclass class, jlong heap) {
  (void) env;
  (void) class;
  script_heap_reset(heap_of(heap));
}

JNIEXPORT jlong JNICALL Java_io_capsuledb_enclave_script_NativeScript_stat(
    JNIEnv *env, jclass class, jlong heap, jint which) {
  script_stats stats;
  (void) env;
  (void) class;
  script_heap_stats(heap_of(heap), &stats);
  switch (which) {
    case 0:
      return stats.instructions;
    case 1:
      return stats.peak_bytes;
    case 2:
      return stats.base_bytes;
    case 3:
      return stats.host_calls;
    default:
      return stats.result_bytes;
  }
}
