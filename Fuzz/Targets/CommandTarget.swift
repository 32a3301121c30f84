import Sessions

/// Bytes of another machine, as a command and as an outcome: what is read can be written, and is read as the same again.
func fuzzCommands(_ data: UnsafeRawBufferPointer) {
    if let command = try? SessionCommand(data) {
        let encoded = command.encoded
        let again = encoded.withUnsafeBytes { try? SessionCommand($0) }
        check(again == command, "a command was read as another: \(command)")
        check(again?.encoded == encoded, "a command has two forms: \(command)")
    }
    if let outcome = try? SessionOutcome(data) {
        let encoded = outcome.encoded
        let again = encoded.withUnsafeBytes { try? SessionOutcome($0) }
        check(again == outcome, "an outcome was read as another: \(outcome)")
        check(again?.encoded == encoded, "an outcome has two forms: \(outcome)")
    }
}
