//go:build cgo

package amalgamated

/*
#cgo CFLAGS: -O2
#cgo !windows LDFLAGS: -lm
#include "amg.h"
#include <stdlib.h>

static int32_t open_model(const void *data, size_t size, const char *path, uint32_t flags, char *said, size_t room,
                          amg_model **out)
{
    amg_options options = {0};
    options.struct_size = sizeof options;
    options.data = data;
    options.size = size;
    options.errbuf = said;
    options.errbuf_size = room;
    options.flags = flags;
    return path ? amg_open_file(path, &options, out) : amg_open(&options, out);
}

static int32_t stopped(void *stop, int32_t layer, int32_t layers)
{
    (void)layer, (void)layers;
    return __atomic_load_n((int32_t *)stop, __ATOMIC_RELAXED);
}

static int32_t new_session(const amg_model *m, int32_t threads, int32_t isa, int32_t *stop, amg_session **out)
{
    amg_session_options options = {0};
    options.struct_size = sizeof options;
    options.threads = threads;
    options.isa = isa;
    options.progress = stopped;
    options.user = stop;
    return amg_session_new(m, &options, out);
}
*/
import "C"

import "unsafe"

// handle is a model of the runtime, which cgo compiled.
type handle struct {
	model *C.amg_model
}

// state is a session of the runtime.
type state struct {
	session *C.amg_session
	stop    *int32 // in C's memory
}

func newHandle(o Options) (*handle, error) {
	var said [512]C.char
	var path *C.char
	bytes, flags := weights, C.uint32_t(0)
	switch {
	case o.Path != "":
		path, bytes, flags = C.CString(o.Path), nil, C.AMG_OPEN_VERIFY
		defer C.free(unsafe.Pointer(path))
	case o.Data != nil:
		bytes, flags = o.Data, C.AMG_OPEN_VERIFY|C.AMG_OPEN_COPY
	case uintptr(unsafe.Pointer(&weights[0]))%64 != 0: // static data are used where they lie if they lie well
		flags = C.AMG_OPEN_COPY
	}
	var data unsafe.Pointer
	if len(bytes) > 0 {
		data = unsafe.Pointer(&bytes[0])
	}
	var model *C.amg_model
	status := C.open_model(data, C.size_t(len(bytes)), path, flags, &said[0], C.size_t(len(said)), &model)
	if status != C.AMG_OK {
		return nil, fault(Code(status), C.GoString(&said[0]))
	}
	return &handle{model}, nil
}

func (h *handle) close() {
	C.amg_close(h.model)
}

// tensors describes the inputs or outputs at the shapes that the model was built with.
func (h *handle) tensors(kind int) []TensorInfo {
	all := make([]TensorInfo, C.amg_tensor_count(h.model, C.int32_t(kind)))
	for i := range all {
		var t C.amg_tensor
		C.amg_tensor_info(h.model, C.int32_t(kind), C.int32_t(i), &t)
		all[i] = infoOf(&t)
	}
	return all
}

func (h *handle) label(class int) string {
	return C.GoString(C.amg_label(h.model, C.int32_t(class)))
}

func (h *handle) meta(key string) string {
	text := C.CString(key)
	defer C.free(unsafe.Pointer(text))
	return C.GoString(C.amg_meta(h.model, text))
}

func (h *handle) newState(threads, isa int) (*state, error) {
	s := &state{stop: (*int32)(C.calloc(1, C.sizeof_int32_t))}
	if s.stop == nil {
		return nil, fault(ErrMemory, "")
	}
	status := C.new_session(h.model, C.int32_t(threads), C.int32_t(isa), (*C.int32_t)(s.stop), &s.session)
	if status != C.AMG_OK {
		C.free(unsafe.Pointer(s.stop))
		return nil, fault(Code(status), "")
	}
	return s, nil
}

func (h *handle) free(s *state) {
	C.amg_session_free(s.session)
	C.free(unsafe.Pointer(s.stop))
}

// places says where the inputs or outputs lie.
func (s *state) places(kind int) []place {
	var all []place
	var t C.amg_tensor
	for i := C.int32_t(0); C.amg_session_tensor(s.session, C.int32_t(kind), i, &t) == C.AMG_OK; i++ {
		found := place{TensorInfo: infoOf(&t)}
		data := C.amg_data(s.session, C.int32_t(kind), i, nil)
		if found.DType == Int64 {
			found.ints = unsafe.Slice((*int64)(data), found.Size())
		} else {
			found.floats = unsafe.Slice((*float32)(data), found.Size())
		}
		all = append(all, found)
	}
	return all
}

func (s *state) setShape(input int, shape []int) error {
	var dims [maxAxes]C.int64_t
	for axis, d := range shape {
		dims[axis] = C.int64_t(d)
	}
	return s.check(C.amg_set_shape(s.session, C.int32_t(input), &dims[0], C.int32_t(len(shape))))
}

func (s *state) setImage(input int, p pixels) error {
	return s.check(C.amg_set_image(s.session, C.int32_t(input), unsafe.Pointer(&p.bytes[0]),
		C.int32_t(p.size.X), C.int32_t(p.size.Y), C.int32_t(p.stride), C.int32_t(p.format)))
}

// flag is where a number lies that has a run stop before its next layer if it is not 0.
func (s *state) flag() *int32 {
	return s.stop
}

func (s *state) run() error {
	return s.check(C.amg_run(s.session))
}

// top gives the k largest values of an output, best first: their indices and the values.
func (s *state) top(output, k int) ([]int, []float32, error) {
	classes, scores := make([]C.int32_t, k+1), make([]float32, k+1)
	found := C.amg_topk(s.session, C.int32_t(output), C.int32_t(k), &classes[0], (*C.float)(&scores[0]))
	if err := s.check(found); err != nil {
		return nil, nil, err
	}
	indices := make([]int, found)
	for i := range indices {
		indices[i] = int(classes[i])
	}
	return indices, scores[:found], nil
}

func (s *state) check(status C.int32_t) error {
	if status < 0 {
		return fault(Code(status), C.GoString(C.amg_errmsg(s.session)))
	}
	return nil
}

func infoOf(t *C.amg_tensor) TensorInfo {
	info := TensorInfo{Name: C.GoString(t.name), DType: DType(t.dtype), Shape: make([]int, int(t.ndim))}
	for axis := range info.Shape {
		info.Shape[axis] = int(t.dims[axis])
	}
	return info
}
