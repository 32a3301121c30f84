package import JSON

/// The flat form of an error in a stream, `{"type":"error","code":…,"message":…,"param":…}`: SDKs yield it as an event instead of
/// raising it.
package enum FlatError {
    /// Writes the members after `type`.
    package static func write(code: String?, message: String, param: String?, to writer: inout JSONObjectWriter) {
        writer.field("code", code)
        writer.field("message", message)
        writer.field("param", param)
    }
}
