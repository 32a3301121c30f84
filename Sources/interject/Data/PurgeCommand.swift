import ArgumentParser
import Bytes
import Glibc
import Logging
import Storage

/// `interject purge`
struct PurgeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "purge", abstract: "Deletes sessions from a data directory, with their responses and events.",
        discussion: """
            Refuses to run while a server uses the directory; a running server deletes sessions by its --retention and by \
            DELETE /v1/sessions/ID. The space is freed on disk. Keys, usage, files and batches are not deleted.
            """)

    @OptionGroup var dataOptions: DataOptions
    @Option(
        help: ArgumentHelp("Only sessions not used within this time: seconds, or a number with m, h or d.", valueName: "TIME"))
    var olderThan: String?
    @Option(help: ArgumentHelp("Only this session.", valueName: "ID")) var session: String?
    @Option(help: ArgumentHelp("Only sessions of this owner.", valueName: "NAME")) var owner: String?
    @Flag(help: "Prints what would be deleted without deleting it.") var dryRun = false

    /// Number of sessions deleted in one commit.
    private static let batchCount = 64

    func run() async throws {
        if olderThan == nil, session == nil, owner == nil {
            throw Failure.usage("purge: select the sessions to delete: --older-than TIME, --session ID, --owner NAME")
        }
        let age = try olderThan.map { (text) throws(Failure) in try KeyTime.seconds(text, flag: "older-than") }
        let filter = SessionFilter(owner: owner, sessionID: session, unusedSince: age.map { time(nil).saturatingSubtracting($0) })
        if dryRun {
            let archive = try dataOptions.archive()
            let ids = try DataOptions.attempt { () throws(StorageError) in try archive.sessionIDs(filter) }
            for id in ids { Standard.output(id + "\n") }
            Standard.error("\(Self.count(ids)) would be deleted\n")
            return
        }
        let directory = try dataOptions.directory()
        // Fails for a missing directory instead of creating one.
        _ = try dataOptions.archive()
        let store = try open(directory)
        do {
            let ids = try await store.sessionIDs(filter)
            for start in stride(from: 0, to: ids.count, by: Self.batchCount) {
                try await store.deleteSessions(Array(ids[start..<min(start + Self.batchCount, ids.count)]))
            }
            if !ids.isEmpty { try store.compact() }
            await store.close()
            Standard.output("\(Self.count(ids)) deleted\n")
        } catch {
            await store.close()
            throw Failure.runtime("\(error)")
        }
    }

    private func open(_ directory: String) throws(Failure) -> Store {
        do {
            return try Store.open(
                directory: directory, logger: Logger(label: "interject", factory: { _ in SwiftLogNoOpLogHandler() }))
        } catch {
            guard case .inUse = error else { throw .runtime("\(error)") }
            throw .runtime(
                "a server runs on \(directory): stop it first, or delete sessions with DELETE /v1/sessions/ID or a shorter --retention"
            )
        }
    }

    private static func count(_ ids: [String]) -> String { ids.count == 1 ? "1 session" : "\(ids.count) sessions" }
}
