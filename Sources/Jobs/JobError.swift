/// An error of a call on files or batches.
public enum JobError: Error, Sendable, Hashable {
    /// An invalid argument; the message describes the valid ones.
    case invalid(String, param: String?, code: String?)
    /// No such file of this owner.
    case fileNotFound(id: String)
    /// No such batch of this owner.
    case batchNotFound(id: String)
    /// The file exceeds the size limit.
    case fileTooLarge(limitBytes: Int)
    /// The owner's files would exceed the quota.
    case quotaExceeded(limitBytes: Int)
    /// The owner has too many unfinished batches.
    case tooManyBatches(limit: Int)
    /// The batch has ended or is ending.
    case notCancellable(status: String)
    /// The disk or database is currently unavailable.
    case storageUnavailable(reason: String)
}
