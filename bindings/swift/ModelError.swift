import CAmalgamated

/// What went wrong, with a code.
public struct ModelError: Error, Equatable, CustomStringConvertible {
    /// What kind of fault it is.
    public let code: Code

    /// What is at fault.
    public let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    /// A status of C, with what the runtime said about it.
    init(status: Int32, said: String) {
        let general = String(cString: amg_strerror(status))
        code = Code(rawValue: status) ?? .argument
        description = said.isEmpty || said == general ? general : "\(general): \(said)"
    }
}
