import CAmalgamated

/// The memory of one run at a time: fill the inputs, run, read the outputs. It keeps its model open, and belongs to one
/// thread at a time.
public final class Session {
    /// The inputs at the shapes of this session.
    public private(set) var inputs: [TensorInfo]

    /// The outputs at the shapes of this session.
    public private(set) var outputs: [TensorInfo]

    private var hasRun = false
    private let pointer: OpaquePointer
    private let handle: Handle

    init(_ handle: Handle, threads: Int, isa: Isa) throws {
        var options = amg_session_options()
        options.struct_size = MemoryLayout<amg_session_options>.stride
        options.threads = Int32(clamping: threads)
        options.isa = isa.rawValue
        var made: OpaquePointer?
        let status = amg_session_new(handle.pointer, &options, &made)
        guard let session = made else {
            throw ModelError(status: status, said: "")
        }
        self.handle = handle
        pointer = session
        inputs = handle.inputs
        outputs = handle.outputs
    }

    deinit {
        amg_session_free(pointer)
    }

    /// Changes the shape of an input, and with it all others; what the inputs held is lost.
    public func setShape(_ shape: [Int], ofInput input: Int = 0) throws {
        let dims = shape.map { Int64($0) }
        try check(amg_set_shape(pointer, Int32(clamping: input), dims, Int32(clamping: dims.count)))
        hasRun = false
        inputs = described(AMG_INPUT, inputs.count)
        outputs = described(AMG_OUTPUT, outputs.count)
    }

    /// Fills an input.
    public func write<Element: TensorElement>(_ values: [Element], toInput input: Int = 0) throws {
        let info = try find(inputs, input)
        try info.fits(values.count, of: Element.self)
        _ = memory(AMG_INPUT, input, info.count, of: Element.self).initialize(from: values)
    }

    /// Gives the memory of an input to a closure, which fills it; that memory is of no use afterwards.
    public func withInput<Element: TensorElement, Result>(
        _ input: Int = 0, of type: Element.Type, _ fill: (UnsafeMutableBufferPointer<Element>) throws -> Result
    ) throws -> Result {
        let info = try find(inputs, input)
        try info.fits(info.count, of: type)
        return try fill(memory(AMG_INPUT, input, info.count, of: type))
    }

    /// Fills an image input from rows of pixels, from the top, without gaps.
    public func setImage(_ pixels: [UInt8], width: Int, height: Int, format: PixelFormat, toInput input: Int = 0) throws {
        let (stride, wide) = width.multipliedReportingOverflow(by: format.bytes)
        let (size, large) = stride.multipliedReportingOverflow(by: height)
        guard !wide, !large, width > 0, height > 0, size == pixels.count, stride <= Int32.max, height <= Int32.max else {
            throw ModelError(.shape, "\(pixels.count) bytes are no picture of \(width) x \(height), \(format)")
        }
        let (columns, rows) = (Int32(width), Int32(height))
        try check(
            amg_set_image(pointer, Int32(clamping: input), pixels, columns, rows, Int32(stride), format.rawValue))
    }

    /// Runs the network on what the inputs hold.
    public func run() throws {
        try check(amg_run(pointer))
        hasRun = true
    }

    /// A copy of an output.
    public func read<Element: TensorElement>(_ output: Int = 0, of type: Element.Type) throws -> [Element] {
        try withOutput(output, of: type) { Array($0) }
    }

    /// Gives the memory of an output to a closure, which reads it; that memory is of no use afterwards.
    public func withOutput<Element: TensorElement, Result>(
        _ output: Int = 0, of type: Element.Type, _ read: (UnsafeBufferPointer<Element>) throws -> Result
    ) throws -> Result {
        let info = try find(outputs, output)
        try info.fits(info.count, of: type)
        try afterRun()
        return try read(UnsafeBufferPointer(memory(AMG_OUTPUT, output, info.count, of: type)))
    }

    /// The largest values of an output of the last run, best first.
    public func top(_ count: Int, ofOutput output: Int = 0) throws -> [Prediction] {
        try afterRun()
        let most = max(0, min(count, try find(outputs, output).count))
        var classes = [Int32](repeating: 0, count: most + 1)
        var scores = [Float](repeating: 0, count: most + 1)
        let found = try check(amg_topk(pointer, Int32(clamping: output), Int32(clamping: most), &classes, &scores))
        return (0..<Int(found)).map { i in
            let label = handle.label(classes[i]) ?? String(classes[i])
            return Prediction(label: label, score: scores[i], classIndex: Int(classes[i]))
        }
    }

    private func memory<Element>(
        _ kind: Int32, _ i: Int, _ count: Int, of type: Element.Type
    ) -> UnsafeMutableBufferPointer<Element> {
        let data: UnsafeMutableRawPointer? = amg_data(pointer, kind, Int32(i), nil)
        return UnsafeMutableBufferPointer(start: data?.assumingMemoryBound(to: type), count: count)
    }

    private func described(_ kind: Int32, _ count: Int) -> [TensorInfo] {
        (0..<count).map { i in
            var tensor = amg_tensor()
            _ = amg_session_tensor(pointer, kind, Int32(i), &tensor)
            return TensorInfo(tensor)
        }
    }

    private func find(_ known: [TensorInfo], _ i: Int) throws -> TensorInfo {
        guard known.indices.contains(i) else {
            throw ModelError(.argument, "there is no tensor \(i): there are \(known.count)")
        }
        return known[i]
    }

    private func afterRun() throws {
        if !hasRun {
            throw ModelError(.argument, "the session has not run at its shapes")
        }
    }

    @discardableResult
    private func check(_ status: Int32) throws -> Int32 {
        if status < 0 {
            throw ModelError(status: status, said: String(cString: amg_errmsg(pointer)))
        }
        return status
    }
}
