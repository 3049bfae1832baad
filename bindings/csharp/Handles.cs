using System;
using System.Runtime.InteropServices;

namespace Amalgamated
{
    /// <summary>The native model. Sessions count as its users, so that it is closed after the last of them.</summary>
    internal sealed class ModelHandle : SafeHandle
    {
        internal ModelHandle() : base(IntPtr.Zero, true) { }

        public override bool IsInvalid => handle == IntPtr.Zero;

        protected override bool ReleaseHandle()
        {
            Native.amg_close(handle);
            return true;
        }
    }

    /// <summary>A native session, and the model that it keeps open.</summary>
    internal sealed class SessionHandle : SafeHandle
    {
        private ModelHandle model;

        internal SessionHandle() : base(IntPtr.Zero, true) { }

        public override bool IsInvalid => handle == IntPtr.Zero;

        /// <summary>A session of a model, or an exception.</summary>
        internal static unsafe SessionHandle Of(ModelHandle model, int threads, Isa isa)
        {
            Native.amg_session_options options = new Native.amg_session_options
            {
                struct_size = (UIntPtr)sizeof(Native.amg_session_options),
                threads = threads,
                isa = (int)isa,
            };
            bool used = false;
            model.DangerousAddRef(ref used);
            int status = Native.amg_session_new(model, &options, out SessionHandle session);
            if (status != Native.AMG_OK)
            {
                model.DangerousRelease();
                throw ModelException.Of(status, null);
            }
            session.model = model;
            return session;
        }

        protected override bool ReleaseHandle()
        {
            Native.amg_session_free(handle);
            model.DangerousRelease();
            return true;
        }
    }
}
