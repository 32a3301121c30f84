import Foundation

/// Why events that clients were told of may not be in a database.
enum Loss: String, Sendable {
    /// The machine stopped within a run that waited for the kernel alone (``Store/Durability/process``). A process that ended did not
    /// take anything along: what the kernel has taken is there as long as the kernel is.
    case machineStopped = "the machine stopped in the midst of a run under --durability process"
    /// The write-ahead log of a run that did not end in order is not there, and what was committed to it last with it.
    case journalAnew = "the write-ahead log is not the one that the last run wrote"
    /// The database, or the whole directory, was put back from a copy.
    case restored = "the database is not as the last run left it: it was put back from a copy"

    /// What is found in a data directory before anything in it is changed.
    struct Evidence: Sendable {
        /// Inside of the database.
        var mark: StoreMark
        /// Beside it.
        var beside: IdentityFile?
        /// Which files are there.
        var database: FileIdentity?
        var journal: FileIdentity?
        var identityFile: FileIdentity?
        /// The boot of the machine; empty where that is not known.
        var boot: String
    }

    /// Judges what is found; nil where nothing was lost.
    ///
    /// What cannot be told from a loss counts as one: nobody loses anything by that, since clients go on from any position that is
    /// still in the log.
    init?(_ evidence: Evidence) {
        let mark = evidence.mark
        // Of a new one nobody was told anything.
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

    /// The epoch that begins with a loss. No epoch is used twice, also not by a history that a backup takes back: one more than the
    /// last, and where the count of it may be a copy's too, at least the time.
    /// - Parameter now: seconds since 1970.
    func epoch(after evidence: Evidence, now: Int) -> Int {
        let next = max(evidence.mark.epoch, evidence.beside?.epoch ?? 0) + 1
        return self == .machineStopped ? next : max(next, now)
    }
}

/// The boot of this machine: drawn by the kernel at its start.
enum BootID {
    /// Empty where the kernel does not tell.
    static var current: String {
        let text = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        return text?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
    }
}
