using System;
using System.Collections.Generic;

namespace Amalgamated
{
    /// <summary>The memory of one run at a time: write the inputs, run, read the outputs. It keeps its model open.</summary>
    public sealed unsafe class Session : IDisposable
    {
        private readonly object gate = new object();
        private readonly SessionHandle handle;
        private readonly Model model;
        private TensorInfo[] inputs;
        private TensorInfo[] outputs;
        private bool ran;

        internal Session(Model model, ModelHandle opened, int threads, Isa isa)
        {
            this.model = model;
            handle = SessionHandle.Of(opened, threads, isa);
            Describe();
        }

        /// <summary>The inputs at the shapes of this session.</summary>
        public IReadOnlyList<TensorInfo> Inputs => inputs;

        /// <summary>The outputs at the shapes of this session.</summary>
        public IReadOnlyList<TensorInfo> Outputs => outputs;

        /// <summary>Changes the shape of an input, and with it all others; what the inputs held is lost.</summary>
        public void SetShape(int input, params long[] shape)
        {
            if (shape == null)
            {
                throw new ArgumentNullException(nameof(shape));
            }
            lock (gate)
            {
                fixed (long* dims = shape)
                {
                    Check(Native.amg_set_shape(Open(), input, dims, shape.Length));
                }
                Describe();
            }
        }

        /// <summary>Fills an input of float.</summary>
        public void Write(int input, ReadOnlySpan<float> values)
        {
            lock (gate)
            {
                Find(inputs, input).Fits(values.Length, typeof(float));
                values.CopyTo(new Span<float>(Native.amg_data(Open(), Native.AMG_INPUT, input, null), values.Length));
                GC.KeepAlive(this);
            }
        }

        /// <summary>Fills an input of long.</summary>
        public void Write(int input, ReadOnlySpan<long> values)
        {
            lock (gate)
            {
                Find(inputs, input).Fits(values.Length, typeof(long));
                values.CopyTo(new Span<long>(Native.amg_data(Open(), Native.AMG_INPUT, input, null), values.Length));
                GC.KeepAlive(this);
            }
        }

        /// <summary>Fills an image input from rows of pixels, from the top, without gaps.</summary>
        public void SetImage(int input, ReadOnlySpan<byte> pixels, int width, int height, PixelFormat format)
        {
            lock (gate)
            {
                long stride = (long)width * Numbers.Bytes(format);
                if (width <= 0 || height <= 0 || stride > int.MaxValue || stride * height != pixels.Length)
                {
                    string size = $"{width} x {height}, {format}";
                    throw new ModelException(Code.Shape, $"{pixels.Length} bytes are no picture of {size}");
                }
                fixed (byte* first = pixels)
                {
                    Check(Native.amg_set_image(Open(), input, first, width, height, (int)stride, (int)format));
                }
            }
        }

        /// <summary>Runs the network on what the inputs hold.</summary>
        public void Run()
        {
            lock (gate)
            {
                Check(Native.amg_run(Open()));
                ran = true;
            }
        }

        /// <summary>Copies an output of float.</summary>
        public void Read(int output, Span<float> values)
        {
            lock (gate)
            {
                Find(outputs, output).Fits(values.Length, typeof(float));
                new ReadOnlySpan<float>(Written(output), values.Length).CopyTo(values);
                GC.KeepAlive(this);
            }
        }

        /// <summary>Copies an output of long.</summary>
        public void Read(int output, Span<long> values)
        {
            lock (gate)
            {
                Find(outputs, output).Fits(values.Length, typeof(long));
                new ReadOnlySpan<long>(Written(output), values.Length).CopyTo(values);
                GC.KeepAlive(this);
            }
        }

        /// <summary>The k largest values of an output of the last run, best first.</summary>
        public IReadOnlyList<Prediction> Top(int output, int k)
        {
            lock (gate)
            {
                if (k < 0)
                {
                    throw new ModelException(Code.Argument, "k is negative");
                }
                int most = Math.Min(k, Find(outputs, output).Size);
                int[] classes = new int[most + 1]; // one more, so that there is a first
                float[] scores = new float[most + 1];
                Written(output);
                int found;
                fixed (int* cls = classes)
                fixed (float* score = scores)
                {
                    found = Check(Native.amg_topk(Open(), output, most, cls, score));
                }
                Prediction[] best = new Prediction[found];
                for (int i = 0; i < found; i++)
                {
                    string label = model.LabelOf(classes[i]) ?? classes[i].ToString();
                    best[i] = new Prediction(label, scores[i], classes[i]);
                }
                return best;
            }
        }

        /// <summary>Frees the session, once what runs on it has ended. Disposing twice is fine.</summary>
        public void Dispose()
        {
            lock (gate)
            {
                if (handle.IsClosed)
                {
                    return;
                }
                handle.Dispose();
            }
            model.Ended();
        }

        private SessionHandle Open()
        {
            if (handle.IsClosed)
            {
                throw new ModelException(Code.Argument, "the session is disposed of");
            }
            return handle;
        }

        private void* Written(int output)
        {
            void* data = Native.amg_data(Open(), Native.AMG_OUTPUT, output, null);
            if (!ran)
            {
                throw new ModelException(Code.Argument, "the session has not run at its shapes");
            }
            return data;
        }

        private int Check(int status)
        {
            if (status < 0)
            {
                throw ModelException.Of(status, ModelException.Text(Native.amg_errmsg(handle)));
            }
            return status;
        }

        /// <summary>Notes what shapes the tensors have now.</summary>
        private void Describe()
        {
            ran = false;
            inputs = Described(Native.AMG_INPUT, model.Inputs.Count);
            outputs = Described(Native.AMG_OUTPUT, model.Outputs.Count);
        }

        private TensorInfo[] Described(int kind, int count)
        {
            TensorInfo[] infos = new TensorInfo[count];
            for (int i = 0; i < count; i++)
            {
                Native.amg_tensor tensor;
                Check(Native.amg_session_tensor(handle, kind, i, &tensor));
                infos[i] = new TensorInfo(tensor);
            }
            return infos;
        }

        private static TensorInfo Find(TensorInfo[] known, int i)
        {
            if (i < 0 || i >= known.Length)
            {
                throw new ModelException(Code.Argument, $"there is no tensor {i}: there are {known.Length}");
            }
            return known[i];
        }
    }
}
