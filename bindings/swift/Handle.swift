import CAmalgamated

/// The C model: closed when its `Model` and all sessions are gone.
final class Handle {
    let pointer: OpaquePointer
    let inputs: [TensorInfo]
    let outputs: [TensorInfo]

    /// Opens a file, or bytes, which are copied, or the model in the C code where both are nil.
    init(path: String?, data: UnsafeRawBufferPointer?) throws {
        let room = 512
        let said = UnsafeMutablePointer<CChar>.allocate(capacity: room)
        said.initialize(repeating: 0, count: room)
        defer { said.deallocate() }
        var options = amg_options()
        options.struct_size = MemoryLayout<amg_options>.stride
        options.data = data?.baseAddress
        options.size = data?.count ?? 0
        options.errbuf = said
        options.errbuf_size = room
        options.flags = path == nil && data == nil ? 0 : UInt32(AMG_OPEN_COPY | AMG_OPEN_VERIFY)
        var opened: OpaquePointer?
        let status: Int32
        if let path = path {
            status = amg_open_file(path, &options, &opened)
        } else {
            status = amg_open(&options, &opened)
        }
        guard let model = opened else {
            throw ModelError(status: status, said: String(cString: said))
        }
        pointer = model
        inputs = Handle.described(model, AMG_INPUT)
        outputs = Handle.described(model, AMG_OUTPUT)
    }

    deinit {
        amg_close(pointer)
    }

    func label(_ classIndex: Int32) -> String? {
        amg_label(pointer, classIndex).map { String(cString: $0) }
    }

    private static func described(_ model: OpaquePointer, _ kind: Int32) -> [TensorInfo] {
        (0..<amg_tensor_count(model, kind)).map { i in
            var tensor = amg_tensor()
            _ = amg_tensor_info(model, kind, i, &tensor)
            return TensorInfo(tensor)
        }
    }
}
