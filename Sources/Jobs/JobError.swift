/// Why something that was asked of files or batches cannot be done.
public enum JobError: Error, Sendable, Hashable {
    /// What was given cannot be used; says what would.
    case invalid(String, param: String?, code: String?)
    /// No such file, or one of somebody else.
    case fileNotFound(id: String)
    /// No such batch, or one of somebody else.
    case batchNotFound(id: String)
    /// The file is larger than one may be.
    case fileTooLarge(limitBytes: Int)
    /// The owner's files together would be larger than they may be.
    case quotaExceeded(limitBytes: Int)
    /// The owner has as many unfinished batches as one may have.
    case tooManyBatches(limit: Int)
    /// The batch has ended, or is about to.
    case notCancellable(status: String)
    /// The disk or the database does not work now.
    case storageUnavailable(reason: String)
}
