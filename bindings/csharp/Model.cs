using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Text;

namespace Amalgamated
{
    /// <summary>A network. It may be used from many threads at once: each run takes an idle session, or makes one.</summary>
    public sealed unsafe partial class Model : IDisposable
    {
        private const uint Copied = Native.AMG_OPEN_VERIFY | Native.AMG_OPEN_COPY;
        private const int Said = 512; // bytes for what opening says when it fails

        private readonly ModelHandle handle;
        private readonly Stack<Session> idle = new Stack<Session>(); // its lock guards what follows too
        private int live; // sessions, idle or not
        private bool closed;

        private Model(ModelHandle handle)
        {
            this.handle = handle;
            Inputs = Describe(Native.AMG_INPUT);
            Outputs = Describe(Native.AMG_OUTPUT);
        }

        /// <summary>The inputs, at the shapes that the model was built with.</summary>
        public IReadOnlyList<TensorInfo> Inputs { get; }

        /// <summary>The outputs, at the shapes that the model was built with.</summary>
        public IReadOnlyList<TensorInfo> Outputs { get; }

        /// <summary>Opens the model of this library.</summary>
        public static Model Open()
        {
            if (Weights == null)
            {
                return Opened(null, ReadOnlySpan<byte>.Empty);
            }
            using (Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Weights))
            using (MemoryStream bytes = new MemoryStream())
            {
                stream.CopyTo(bytes);
                return Open(bytes.ToArray());
            }
        }

        /// <summary>Opens a .amg file whose operators are those of this library's model.</summary>
        public static Model Open(string path)
        {
            if (path == null)
            {
                throw new ArgumentNullException(nameof(path));
            }
            return Opened(path, ReadOnlySpan<byte>.Empty);
        }

        /// <summary>Opens the bytes of a .amg file whose operators are those of this library's model. They are copied.</summary>
        public static Model Open(ReadOnlySpan<byte> data)
        {
            if (data.IsEmpty)
            {
                throw new ModelException(Code.Format, "there are no bytes");
            }
            return Opened(null, data);
        }

        /// <summary>Makes a session of your own, of which a run may use this many threads.</summary>
        public Session NewSession(int threads = 1, Isa isa = Isa.Auto)
        {
            lock (idle)
            {
                Check();
                Session session = new Session(this, handle, threads, isa);
                live++;
                return session;
            }
        }

        /// <summary>Runs the network at the shapes that it was built with, and gives its outputs of float by name.</summary>
        public IReadOnlyDictionary<string, float[]> Run(IReadOnlyDictionary<string, float[]> values)
        {
            if (values == null)
            {
                throw new ArgumentNullException(nameof(values));
            }
            foreach (string name in values.Keys)
            {
                if (!Has(name))
                {
                    string known = string.Join(", ", Inputs);
                    throw new ModelException(Code.Argument, $"there is no input '{name}'; there are {known}");
                }
            }
            return With(s =>
            {
                for (int i = 0; i < Inputs.Count; i++)
                {
                    if (!values.TryGetValue(Inputs[i].Name, out float[] given))
                    {
                        throw new ModelException(Code.Argument, $"input {Inputs[i]} is missing");
                    }
                    s.Write(i, given);
                }
                s.Run();
                Dictionary<string, float[]> results = new Dictionary<string, float[]>();
                for (int i = 0; i < Outputs.Count; i++)
                {
                    if (Outputs[i].ElementType == typeof(float))
                    {
                        float[] result = results[Outputs[i].Name] = new float[Outputs[i].Size];
                        s.Read(i, result);
                    }
                }
                return results;
            });
        }

        /// <summary>The k best classes of a picture of any size: rows of pixels, from the top, without gaps.</summary>
        public IReadOnlyList<Prediction> Classify(byte[] pixels, int width, int height, PixelFormat format, int k)
        {
            return With(s =>
            {
                s.SetImage(0, pixels, width, height, format);
                s.Run();
                return s.Top(0, k);
            });
        }

        /// <summary>The label of a class, or null where there is none.</summary>
        public string Label(int classIndex)
        {
            lock (idle)
            {
                Check();
                return LabelOf(classIndex);
            }
        }

        /// <summary>A text that the model carries ("name", "producer", ...), or null.</summary>
        public string Meta(string key)
        {
            lock (idle)
            {
                Check();
                fixed (byte* text = Encoding.UTF8.GetBytes(key + "\0"))
                {
                    return ModelException.Text(Native.amg_meta(handle, text));
                }
            }
        }

        /// <summary>Closes the model, once the runs under way have ended and its sessions are gone. Twice is fine.</summary>
        public void Dispose()
        {
            lock (idle)
            {
                closed = true;
                while (idle.Count > 0)
                {
                    idle.Pop().Dispose();
                }
                CloseIfUnused();
            }
        }

        /// <summary>The label of a class as a session sees it, which keeps the model open.</summary>
        internal string LabelOf(int classIndex)
        {
            return ModelException.Text(Native.amg_label(handle, classIndex));
        }

        /// <summary>A session was freed.</summary>
        internal void Ended()
        {
            lock (idle)
            {
                live--;
                CloseIfUnused();
            }
        }

        private void CloseIfUnused()
        {
            if (closed && live == 0)
            {
                handle.Dispose();
            }
        }

        private void Check()
        {
            if (closed)
            {
                throw new ModelException(Code.Argument, "the model is disposed of");
            }
        }

        private static Model Opened(string path, ReadOnlySpan<byte> data)
        {
            byte* said = stackalloc byte[Said];
            fixed (byte* bytes = data)
            fixed (byte* name = path == null ? null : Encoding.UTF8.GetBytes(path + "\0"))
            {
                Native.amg_options options = new Native.amg_options
                {
                    struct_size = (UIntPtr)sizeof(Native.amg_options),
                    data = bytes,
                    size = (UIntPtr)data.Length,
                    errbuf = said,
                    errbuf_size = (UIntPtr)Said,
                    flags = path != null ? Native.AMG_OPEN_VERIFY : data.IsEmpty ? 0 : Copied,
                };
                said[0] = 0;
                try
                {
                    int status = path == null
                        ? Native.amg_open(&options, out ModelHandle opened)
                        : Native.amg_open_file(name, &options, out opened);
                    return status == Native.AMG_OK ? new Model(opened) : throw ModelException.Of(status, ModelException.Text(said));
                }
                catch (Exception e) when (e is DllNotFoundException || e is BadImageFormatException)
                {
                    string beside = AppContext.BaseDirectory;
                    string message = $"no native library '{Native.Library}' in {beside}, nor where the system looks";
                    throw new ModelException(Code.File, message + ": " + e.Message, e);
                }
            }
        }

        private IReadOnlyList<TensorInfo> Describe(int kind)
        {
            TensorInfo[] all = new TensorInfo[Native.amg_tensor_count(handle, kind)];
            for (int i = 0; i < all.Length; i++)
            {
                Native.amg_tensor tensor;
                Native.amg_tensor_info(handle, kind, i, &tensor);
                all[i] = new TensorInfo(tensor);
            }
            return all;
        }

        private bool Has(string name)
        {
            foreach (TensorInfo info in Inputs)
            {
                if (info.Name == name)
                {
                    return true;
                }
            }
            return false;
        }

        /// <summary>Does something with a session, and keeps that where it may serve the next run.</summary>
        private T With<T>(Func<Session, T> work)
        {
            Session session = Taken() ?? NewSession();
            try
            {
                return work(session);
            }
            finally
            {
                Keep(session);
            }
        }

        private Session Taken()
        {
            lock (idle)
            {
                Check();
                return idle.Count > 0 ? idle.Pop() : null;
            }
        }

        private void Keep(Session session)
        {
            lock (idle)
            {
                if (!closed && idle.Count < Environment.ProcessorCount)
                {
                    idle.Push(session);
                    return;
                }
            }
            session.Dispose();
        }
    }
}
