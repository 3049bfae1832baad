using System;
using System.Collections.Generic;

namespace Amalgamated
{
    /// <summary>What an input or output is.</summary>
    public sealed class TensorInfo
    {
        internal unsafe TensorInfo(Native.amg_tensor tensor)
        {
            Name = ModelException.Text(tensor.name);
            ElementType = tensor.dtype == Native.AMG_I64 ? typeof(long) : typeof(float);
            long[] shape = new long[tensor.ndim];
            Size = 1;
            for (int i = 0; i < shape.Length; i++)
            {
                shape[i] = tensor.dims[i];
                Size = checked(Size * (int)shape[i]);
            }
            Shape = shape;
        }

        /// <summary>What it is called.</summary>
        public string Name { get; }

        /// <summary>The type of its elements: float or long.</summary>
        public Type ElementType { get; }

        /// <summary>Its axes, the last one varying fastest.</summary>
        public IReadOnlyList<long> Shape { get; }

        /// <summary>How many elements it has.</summary>
        public int Size { get; }

        /// <inheritdoc/>
        public override string ToString() => $"'{Name}' {ElementType.Name}[{string.Join(", ", Shape)}]";

        /// <summary>An exception unless this many elements of a type are what the tensor holds.</summary>
        internal void Fits(int size, Type type)
        {
            if (size != Size || type != ElementType)
            {
                throw new ModelException(Code.Shape, $"{this} has {Size} elements, not {size} of {type.Name}");
            }
        }
    }
}
