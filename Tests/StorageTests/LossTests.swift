import Testing

@testable import Storage

/// What is a loss and what is none, by what stands in a data directory.
@Suite struct LossTests {
    private static let database = FileIdentity(inode: 1, birth: 10)
    private static let journal = FileIdentity(inode: 2, birth: 20)
    private static let identityFile = FileIdentity(inode: 3, birth: 30)

    /// As the last run left it, in this boot.
    private func left(_ durability: Store.Durability, isClean: Bool, epoch: Int = 4) -> Loss.Evidence {
        var mark = StoreMark(instance: "i")
        mark.run = 7
        mark.epoch = epoch
        mark.boot = "boot"
        mark.durability = durability
        mark.isClean = isClean
        let journal = isClean ? nil : Self.journal
        var beside = IdentityFile(mark, database: Self.database, journal: journal)
        beside.file = Self.identityFile
        return Loss.Evidence(
            mark: mark, beside: beside, database: Self.database, journal: journal, identityFile: Self.identityFile, boot: "boot")
    }

    @Test(arguments: Store.Durability.allCases) func nothingIsLostWithinABoot(_ durability: Store.Durability) {
        #expect(Loss(left(durability, isClean: true)) == nil)
        #expect(Loss(left(durability, isClean: false)) == nil, "kill -9: the kernel has it all")
    }

    @Test func aStopOfTheMachineLosesWhatWaitedForTheKernelAlone() {
        for boot in ["another", ""] {
            var evidence = left(.process, isClean: false)
            evidence.boot = boot
            #expect(Loss(evidence) == .machineStopped)
            evidence = left(.process, isClean: true)
            evidence.boot = boot
            #expect(Loss(evidence) == nil)
            evidence = left(.full, isClean: false)
            evidence.boot = boot
            #expect(Loss(evidence) == nil)
        }
        var unknown = left(.process, isClean: false)
        unknown.mark.boot = ""
        unknown.boot = ""
        #expect(Loss(unknown) == .machineStopped, "two boots that are not known are not the same")
    }

    @Test(arguments: Store.Durability.allCases) func aJournalThatIsNotTheLastRunsIsALoss(_ durability: Store.Durability) {
        for journal in [nil, FileIdentity(inode: 2, birth: 21), FileIdentity(inode: 9, birth: 20)] {
            var evidence = left(durability, isClean: false)
            evidence.journal = journal
            #expect(Loss(evidence) == .journalAnew)
            evidence.mark.run = 6
            evidence.mark.isClean = true
            #expect(Loss(evidence) == .journalAnew, "the mark of the run was in it too")
            evidence = left(durability, isClean: true)
            evidence.journal = journal
            #expect(Loss(evidence) == nil, "all of it is in the database")
        }
    }

    @Test(arguments: [true, false]) func whatWasPutBackFromACopyIsALoss(_ isClean: Bool) {
        var evidence = left(.full, isClean: isClean)
        evidence.database = FileIdentity(inode: 1, birth: 11)
        #expect(Loss(evidence) == .restored, "the database")
        evidence = left(.full, isClean: isClean)
        evidence.identityFile = FileIdentity(inode: 30, birth: 30)
        #expect(Loss(evidence) == .restored, "the whole directory, in the places of the files that were there")
        evidence = left(.full, isClean: isClean)
        evidence.beside = nil
        evidence.identityFile = nil
        #expect(Loss(evidence) == .restored, "the database alone, in a new directory")
        evidence = left(.full, isClean: isClean)
        evidence.mark.instance = "other"
        #expect(Loss(evidence) == .restored, "that of another directory")
        evidence = left(.full, isClean: isClean)
        evidence.mark.run = 6
        #expect(Loss(evidence) == .restored, "of an earlier run, in the same file")
    }

    @Test func aCopyMadeWithinTheLastRunIsALossWhenThatEndedInOrder() {
        var evidence = left(.full, isClean: true)
        evidence.mark.isClean = false
        #expect(Loss(evidence) == .restored)
    }

    /// A crash between the two writes, at the beginning and at the end.
    @Test func theFileBesideMayBeBehind() {
        var evidence = left(.full, isClean: false)
        evidence.beside?.run = 6
        evidence.beside?.journal = nil
        #expect(Loss(evidence) == nil)
        evidence = left(.full, isClean: true)
        evidence.beside?.isClean = false
        #expect(Loss(evidence) == nil)
    }

    @Test func aNewDatabaseHasLostNothing() {
        var evidence = left(.process, isClean: false)
        evidence.mark.run = 0
        evidence.mark.instance = "new"
        #expect(Loss(evidence) == nil)
        evidence.beside = nil
        #expect(Loss(evidence) == nil)
    }

    @Test func anEpochIsNeverUsedTwice() {
        let evidence = left(.process, isClean: false, epoch: 4)
        #expect(Loss.machineStopped.epoch(after: evidence, now: 1_764_575_350) == 5)
        // What counted them may be a copy.
        #expect(Loss.restored.epoch(after: evidence, now: 1_764_575_350) == 1_764_575_350)
        #expect(Loss.journalAnew.epoch(after: evidence, now: 1_764_575_350) == 1_764_575_350)
        #expect(Loss.restored.epoch(after: evidence, now: 0) == 5, "a clock that was not set")
        var behind = evidence
        behind.beside?.epoch = 2_000_000_000
        for loss in [Loss.machineStopped, .restored] {
            #expect(loss.epoch(after: behind, now: 1_764_575_350) == 2_000_000_001)
        }
    }
}
