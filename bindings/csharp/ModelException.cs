using System;
using System.Text;

namespace Amalgamated
{
    /// <summary>What went wrong, with a code.</summary>
    public sealed class ModelException : Exception
    {
        internal ModelException(Code code, string message, Exception cause = null) : base(message, cause)
        {
            Code = code;
        }

        /// <summary>What kind of fault it is.</summary>
        public Code Code { get; }

        /// <summary>A status as an exception, with what the runtime said about it.</summary>
        internal static unsafe ModelException Of(int status, string message)
        {
            string general = Text(Native.amg_strerror(status));
            bool more = !string.IsNullOrEmpty(message) && message != general;
            return new ModelException((Code)status, more ? general + ": " + message : general);
        }

        /// <summary>The text at a pointer, which ends in a zero; null for null.</summary>
        internal static unsafe string Text(byte* pointer)
        {
            if (pointer == null)
            {
                return null;
            }
            int size = 0;
            while (pointer[size] != 0)
            {
                size++;
            }
            return Encoding.UTF8.GetString(pointer, size);
        }
    }
}
