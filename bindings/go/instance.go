//go:build !cgo

package amalgamated

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"math"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

//go:embed amg.wasm
var code []byte

// instance is a module with memory of its own. After a trap every call returns 0, and check says what it was.
type instance struct {
	module    api.Module
	memory    api.Memory
	functions map[string]api.Function
	model     uint64
	trap      error
}

// program is the module, made ready when the first model is opened and kept until the program ends.
var program struct {
	sync.Once
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	err      error
}

// start makes an instance. What the module asks of a system are stubs, as a run calls none of it.
func start() (*instance, error) {
	background := context.Background()
	program.Do(func() {
		config := wazero.NewRuntimeConfig().WithMemoryLimitPages(1<<16 - 1) // so that a size is 32 bits
		program.runtime = wazero.NewRuntimeWithConfig(background, config)
		program.compiled, program.err = program.runtime.CompileModule(background, code)
		if program.err != nil {
			return
		}
		hosts := map[string]wazero.HostModuleBuilder{}
		for _, f := range program.compiled.ImportedFunctions() {
			from, name, _ := f.Import()
			if hosts[from] == nil {
				hosts[from] = program.runtime.NewHostModuleBuilder(from)
			}
			hosts[from].NewFunctionBuilder().WithGoFunction(api.GoFunc(stub), f.ParamTypes(), f.ResultTypes()).Export(name)
		}
		for _, host := range hosts {
			if _, err := host.Instantiate(background); err != nil {
				program.err = err
			}
		}
	})
	if program.err != nil {
		return nil, fault(ErrUnsupported, program.err.Error())
	}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize")
	made, err := program.runtime.InstantiateModule(background, program.compiled, config)
	if err != nil {
		return nil, fault(ErrMemory, err.Error())
	}
	return &instance{module: made, memory: made.Memory(), functions: map[string]api.Function{}}, nil
}

func stub(_ context.Context, stack []uint64) {
	if len(stack) > 0 {
		stack[0] = 52 // not supported, as WASI numbers it
	}
}

func (i *instance) close() {
	i.module.Close(context.Background())
}

func (i *instance) call(name string, arguments ...uint64) uint64 {
	f := i.functions[name]
	if f == nil {
		f = i.module.ExportedFunction(name)
		i.functions[name] = f
	}
	if i.trap != nil {
		return 0
	}
	var stack [8]uint64
	copy(stack[:], arguments)
	if i.trap = f.CallWithStack(context.Background(), stack[:]); i.trap != nil {
		return 0
	}
	return stack[0]
}

// put copies bytes into the instance's memory.
func (i *instance) put(data []byte) (uint64, error) {
	if len(data) <= math.MaxInt32 {
		if at := i.call("alloc", uint64(len(data))); at != 0 {
			i.memory.Write(uint32(at), data)
			return at, nil
		}
	}
	return 0, fault(ErrMemory, fmt.Sprintf("there is no room for %d bytes", len(data)))
}

// text is a NUL-terminated text, "" at 0.
func (i *instance) text(at uint64) string {
	if at == 0 {
		return ""
	}
	rest, _ := i.memory.Read(uint32(at), i.memory.Size()-uint32(at))
	return string(rest[:bytes.IndexByte(rest, 0)])
}

// info is the tensor that was looked at last.
func (i *instance) info() TensorInfo {
	t := TensorInfo{Name: i.text(i.call("tensor_name")), DType: DType(i.call("tensor_dtype"))}
	t.Shape = make([]int, i.call("tensor_ndim"))
	for axis := range t.Shape {
		t.Shape[axis] = int(api.DecodeF64(i.call("tensor_dim", i32(axis))))
	}
	return t
}

// failure is the error of an instance that could not open its model or make a session.
func (i *instance) failure(message string) error {
	if i.trap != nil {
		return fault(ErrMemory, i.trap.Error())
	}
	return fault(Code(api.DecodeI32(i.call("failure"))), message)
}

// i32 is a number as a function of the module takes it.
func i32(n int) uint64 {
	return api.EncodeI32(int32(n))
}
