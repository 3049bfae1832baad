import CAmalgamated

/// A type that tensors hold: `Float` or `Int64`.
public protocol TensorElement {
    /// What C calls it.
    static var code: Int32 { get }
}

extension Float: TensorElement {
    public static var code: Int32 { AMG_F32 }
}

extension Int64: TensorElement {
    public static var code: Int32 { AMG_I64 }
}

/// What an input or output is.
public struct TensorInfo: Equatable, CustomStringConvertible {
    /// What it is called.
    public let name: String

    /// The code of its elements' type: `Float.code` or `Int64.code`.
    public let element: Int32

    /// Its axes, the last one varying fastest.
    public let shape: [Int]

    /// How many elements it has.
    public var count: Int { shape.reduce(1, *) }

    public var description: String { "'\(name)' \(element == AMG_I64 ? "Int64" : "Float")\(shape)" }

    init(_ tensor: amg_tensor) {
        name = String(cString: tensor.name)
        element = tensor.dtype
        shape = withUnsafeBytes(of: tensor.dims) { bytes in
            bytes.bindMemory(to: Int64.self).prefix(Int(tensor.ndim)).map { Int($0) }
        }
    }

    /// An error unless this many elements of a type are what the tensor holds.
    func fits<Element: TensorElement>(_ size: Int, of type: Element.Type) throws {
        if size != count || Element.code != element {
            throw ModelError(.shape, "\(self) has \(count) elements, not \(size) of \(type)")
        }
    }
}
