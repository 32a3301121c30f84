import ArgumentParser
import Bytes
import Glibc
import ResponsesWire
import Storage

/// `interject export`
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Prints the sessions of a data directory as JSON Lines.",
        discussion: """
            Works beside a running server on the same directory. Prints each session, followed by its items, responses and events \
            (Protocols/operations.md).
            """)

    @OptionGroup var dataOptions: DataOptions
    @Option(help: ArgumentHelp("Only sessions of this owner.", valueName: "NAME")) var owner: String?
    @Option(help: ArgumentHelp("Only this session.", valueName: "ID")) var session: String?
    @Option(help: ArgumentHelp("Only sessions used within this time: seconds, or a number with m, h or d.", valueName: "TIME"))
    var since: String?

    func run() throws {
        let age = try since.map { (text) throws(Failure) in try KeyTime.seconds(text, flag: "since") }
        let archive = try dataOptions.archive()
        let filter = SessionFilter(owner: owner, sessionID: session, usedSince: age.map { time(nil).saturatingSubtracting($0) })
        let ids = try DataOptions.attempt { () throws(StorageError) in try archive.sessionIDs(filter) }
        if ids.isEmpty, let session { throw Failure.runtime("there is no session \(session) in \(try dataOptions.directory())") }
        let output = LineOutput()
        var damaged = 0
        for id in ids {
            do throws(StorageError) {
                // A session deleted meanwhile is skipped.
                _ = try archive.forEachRecord(ofSession: id, encode: ResponsesEncoder.append) { output.write($0) }
            } catch {
                // A damaged session makes the others all the more precious.
                output.flush()
                damaged += 1
                Standard.error("session \(id) is only printed in part, the rest cannot be read: \(error)\n")
            }
            if output.isBroken { break }
        }
        output.flush()
        if output.isBroken { throw Failure.runtime("standard output cannot be written: the export is incomplete") }
        if damaged > 0 {
            throw Failure.runtime("\(damaged) of \(ids.count) sessions cannot be read completely; everything else was exported")
        }
    }
}

/// The data directory, for commands on stored data.
struct DataOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The data directory of the server. (default that of serve, INTERJECT_DATA)", valueName: "DIR"))
    var data: String?

    func directory() throws(Failure) -> String {
        let named = data ?? Environment.process["INTERJECT_DATA"].flatMap { $0.isEmpty ? nil : $0 }
        guard let directory = DataDirectory.resolve(named) else {
            throw .usage("--data none stores nothing: give the data directory of the server")
        }
        return directory
    }

    func archive() throws(Failure) -> SessionArchive {
        let directory = try directory()
        return try Self.attempt { () throws(StorageError) in try SessionArchive(directory: directory) }
    }

    static func attempt<Result>(_ body: () throws(StorageError) -> Result) throws(Failure) -> Result {
        do { return try body() } catch { throw .runtime("\(error)") }
    }
}

/// Writes lines to standard output in large pieces.
private final class LineOutput {
    private var buffer = ByteBuffer()
    private(set) var isBroken = false

    func write(_ line: borrowing ByteBuffer) {
        buffer.append(line.bytes)
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count >= 1 << 18 { flush() }
    }

    func flush() {
        var rest = buffer.bytes
        while !rest.isEmpty, !isBroken {
            let count = Glibc.write(STDOUT_FILENO, rest.baseAddress, rest.count)
            if count > 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno != EINTR {
                isBroken = true
            }
        }
        buffer.clear()
    }
}
