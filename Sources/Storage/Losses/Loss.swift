import Foundation

/// Why events that clients have seen may be missing from a database.
enum Loss: String, Sendable {
    /// The machine stopped during a run that waited for the kernel only (``Store/Durability/process``). The end of a process loses
    /// nothing: the kernel keeps what it was given.
    case machineStopped = "the machine stopped in the midst of a run under --durability process"
    /// The write-ahead log of a run that ended uncleanly is missing, with the last commits in it.
    case journalAnew = "the write-ahead log is not the one that the last run wrote"
    /// The database, or the whole directory, was restored from a copy.
    case restored = "the database is not as the last run left it: it was put back from a copy"

    /// The state of a data directory before anything in it is changed.
    struct Evidence: Sendable {
        /// The mark within the database.
        var mark: StoreMark
        /// The file beside it.
        var beside: IdentityFile?
        /// The files that are there.
        var database: FileIdentity?
        var journal: FileIdentity?
        var identityFile: FileIdentity?
        /// Identifier of the machine's boot; empty if unknown.
        var boot: String
    }

    /// Judges the evidence; nil if nothing was lost.
    ///
    /// A case that cannot be told from a loss counts as one. That costs clients nothing: they resume from any position that is
    /// still in the log.
    init?(_ evidence: Evidence) {
        let mark = evidence.mark
        // A new database has no clients yet.
        if mark.run == 0, evidence.beside?.instance != mark.instance { return nil }
        guard let beside = evidence.beside, beside.instance == mark.instance, beside.database == evidence.database,
            beside.file == evidence.identityFile
        else {
            self = .restored
            return
        }
        // The database is marked before the file beside it, so it may be ahead, but never behind.
        let isAhead = mark.run > beside.run || (mark.run == beside.run && mark.isClean && !beside.isClean)
        let isBehind = mark.run < beside.run || (mark.run == beside.run && !mark.isClean && beside.isClean)
        if !beside.isClean, !isAhead, beside.journal != evidence.journal {
            self = .journalAnew
        } else if isBehind {
            self = .restored
        } else if !mark.isClean, mark.durability == .process, mark.boot.isEmpty || mark.boot != evidence.boot {
            self = .machineStopped
        } else {
            return nil
        }
    }

    /// The epoch that begins with a loss. No epoch is used twice, even if a backup restores older history: the last epoch plus one,
    /// or at least the time if the counter itself may come from a copy.
    /// - Parameter now: seconds since 1970.
    func epoch(after evidence: Evidence, now: Int) -> Int {
        let next = max(evidence.mark.epoch, evidence.beside?.epoch ?? 0) + 1
        return self == .machineStopped ? next : max(next, now)
    }
}

/// The identifier of this machine's boot, a random number of the kernel's.
enum BootID {
    /// Empty if the kernel does not provide it.
    static var current: String {
        let text = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        return text?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
    }
}
