/* jni_md.h - what <jni.h> leaves to a machine: integers, and how a library shows its functions. One for all of them. */
#ifndef JNI_MD_H
#define JNI_MD_H

#ifdef _WIN32
#define JNIEXPORT __declspec(dllexport)
#define JNIIMPORT __declspec(dllimport)
#define JNICALL __stdcall
#else
#define JNIEXPORT __attribute__((visibility("default")))
#define JNIIMPORT __attribute__((visibility("default")))
#define JNICALL
#endif

typedef signed char jbyte;
typedef int jint;
typedef long long jlong;

#endif
