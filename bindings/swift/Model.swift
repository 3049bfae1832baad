import CAmalgamated
import Foundation

/// A class, its score, and which class it is.
public struct Prediction: Equatable {
    /// The label, or the number of the class where the model has none.
    public let label: String

    /// The score, a probability where the network ends in a softmax.
    public let score: Float

    /// The number of the class.
    public let classIndex: Int
}

/// A network. It may be used from many threads at once: each run takes an idle session, or makes one.
public final class Model: @unchecked Sendable {
    private let handle: Handle
    private let lock = NSLock()
    private var idle: [Session] = []

    init(_ handle: Handle) {
        self.handle = handle
    }

    /// Opens a .amg file whose operators are those of this package's model.
    public convenience init(path: String) throws {
        self.init(try Handle(path: path, data: nil))
    }

    /// Opens the bytes of a .amg file whose operators are those of this package's model. They are copied.
    public convenience init(data: [UInt8]) throws {
        if data.isEmpty {
            throw ModelError(.format, "there are no bytes")
        }
        self.init(try data.withUnsafeBytes { try Handle(path: nil, data: $0) })
    }

    /// The inputs, at the shapes that the model was built with.
    public var inputs: [TensorInfo] { handle.inputs }

    /// The outputs, at the shapes that the model was built with.
    public var outputs: [TensorInfo] { handle.outputs }

    /// The label of a class.
    public func label(_ classIndex: Int) -> String? {
        handle.label(Int32(clamping: classIndex))
    }

    /// A text that the model carries: "name", "producer", ...
    public func meta(_ key: String) -> String? {
        amg_meta(handle.pointer, key).map { String(cString: $0) }
    }

    /// A session of your own, which keeps the model open.
    public func session(threads: Int = 1, isa: Isa = .auto) throws -> Session {
        try Session(handle, threads: threads, isa: isa)
    }

    /// Every output of floats for the inputs, by name, all at the shapes that the model was built with.
    public func run(_ values: [String: [Float]]) throws -> [String: [Float]] {
        for name in values.keys where !inputs.contains(where: { $0.name == name }) {
            throw ModelError(.argument, "there is no input '\(name)'; there are \(inputs)")
        }
        return try with { session in
            for (i, info) in inputs.enumerated() {
                guard let given = values[info.name] else {
                    throw ModelError(.argument, "input \(info) is missing")
                }
                try session.write(given, toInput: i)
            }
            try session.run()
            var results: [String: [Float]] = [:]
            for (i, info) in outputs.enumerated() where info.element == Float.code {
                results[info.name] = try session.read(i, of: Float.self)
            }
            return results
        }
    }

    /// The best classes of a picture of any size: rows of pixels, from the top, without gaps.
    public func classify(
        _ pixels: [UInt8], width: Int, height: Int, format: PixelFormat, top count: Int = 5
    ) throws -> [Prediction] {
        try with { session in
            try session.setImage(pixels, width: width, height: height, format: format)
            try session.run()
            return try session.top(count)
        }
    }

    /// Does something with a session, and keeps that where it may serve the next run.
    private func with<Result>(_ work: (Session) throws -> Result) throws -> Result {
        lock.lock()
        let taken = idle.popLast()
        lock.unlock()
        let session = try taken ?? self.session()
        defer {
            lock.lock()
            if idle.count < ProcessInfo.processInfo.activeProcessorCount {
                idle.append(session)
            }
            lock.unlock()
        }
        return try work(session)
    }
}
