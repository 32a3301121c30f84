/// The state of a generation, which determines everything that it may do.
///
/// ```
/// queued ─→ asked ─→ answering ─→ (playing) ─→ (concluding) ─→ ended
///   └─→ unheard ─┘        each of them may be stopped ─→ ended | withdrawn
/// ```
enum GenerationPhase {
    /// The reason that a queued generation waits.
    enum Wait {
        /// For the previous one.
        case turn
        /// For the previous one, then for a listener: it was waiting when the process ended.
        case listener
    }

    case queued(Wait)
    /// Begun; no upstream has accepted the request yet, and it may still be refused.
    case asked
    /// The upstream is responding.
    case answering
    /// Interrupted by the end of the process; resumes if a listener returns within its grace period.
    case unheard(isAccepted: Bool)
    /// The model has finished and its call is over; its output is still being played. Then it ends with this conclusion.
    indirect case playing(Generation.Conclusion)
    /// The model has finished: the format is being validated, or the last events are being written.
    indirect case concluding(Generation.Conclusion)
    /// Being stopped: further output of the model is ignored.
    case stopping
    /// The session is gone or the host is stopping: left unfinished, for the next start.
    case abandoned
    indirect case ended(Generation.Status)
    /// Cancelled because its input could not be committed, and its sender was told so.
    case withdrawn

    var status: Generation.Status {
        switch self {
        case .queued: .queued
        case .asked, .answering, .unheard, .playing, .concluding, .stopping, .abandoned: .inProgress
        case .ended(let status): status
        case .withdrawn: .cancelled
        }
    }

    /// Whether it still accepts output from the model.
    @inline(__always)
    var isActive: Bool {
        switch self {
        case .answering, .asked, .unheard: true
        default: false
        }
    }

    /// Whether it has begun and will end on its own unless interrupted.
    var isUnderWay: Bool {
        switch self {
        case .asked, .answering, .unheard, .playing, .concluding: true
        case .queued, .stopping, .abandoned, .ended, .withdrawn: false
        }
    }

    /// How the response is ending; nil while the model may still generate output, and after the end.
    var conclusion: Generation.Conclusion? {
        switch self {
        case .playing(let conclusion), .concluding(let conclusion): conclusion
        default: nil
        }
    }

    var awaitsListener: Bool {
        switch self {
        case .queued(.listener), .unheard: true
        default: false
        }
    }

    /// Whether an upstream has accepted the request.
    var isAccepted: Bool {
        switch self {
        case .queued, .asked: false
        case .unheard(let isAccepted): isAccepted
        default: true
        }
    }

    /// The phase of a stored generation, which had ended or was interrupted by the end of the process.
    init(restoring record: GenerationRecord) {
        if record.status.isTerminal {
            self = .ended(record.status)
        } else if record.status == .queued {
            self = .queued(.turn)
        } else {
            self = record.conclusion.map { .concluding($0) } ?? .asked
        }
    }
}
