/// Where a generation stands: the one state that everything it may do follows from.
///
/// ```
/// queued ─→ asked ─→ answering ─→ (playing) ─→ (concluding) ─→ ended
///   └─→ unheard ─┘        every one of them may be stopped ─→ ended | withdrawn
/// ```
enum GenerationPhase {
    /// What a queued generation waits for.
    enum Wait {
        /// The one before it.
        case turn
        /// The same, and then a listener: it waited when the process ended.
        case listener
    }

    case queued(Wait)
    /// It has begun; no upstream has taken the request yet, and a refusal may still come.
    case asked
    /// The upstream answers.
    case answering
    /// It was cut by the end of the process, and goes on when somebody listens before its grace is over.
    case unheard(isAccepted: Bool)
    /// The model is done and its call is over; what it said is still being heard. Then it ends by this conclusion.
    indirect case playing(Generation.Conclusion)
    /// The model is done: the answer is judged, or its end is being told.
    indirect case concluding(Generation.Conclusion)
    /// It is being cut: nothing that the model may still say counts.
    case stopping
    /// Its session is gone, or its host stops: it is left as it is, for the next start.
    case abandoned
    indirect case ended(Generation.Status)
    /// Cancelled, since what it answers could not be committed, and its sender was told so.
    case withdrawn

    var status: Generation.Status {
        switch self {
        case .queued: .queued
        case .asked, .answering, .unheard, .playing, .concluding, .stopping, .abandoned: .inProgress
        case .ended(let status): status
        case .withdrawn: .cancelled
        }
    }

    /// Whether it still takes what the model says.
    @inline(__always)
    var isActive: Bool {
        switch self {
        case .answering, .asked, .unheard: true
        default: false
        }
    }

    /// Whether it has begun and comes to its end by itself, unless it is cut.
    var isUnderWay: Bool {
        switch self {
        case .asked, .answering, .unheard, .playing, .concluding: true
        case .queued, .stopping, .abandoned, .ended, .withdrawn: false
        }
    }

    /// How its end is found or told; nil while the model may still say something, and once it has ended.
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

    /// Whether an upstream has taken the request.
    var isAccepted: Bool {
        switch self {
        case .queued, .asked: false
        case .unheard(let isAccepted): isAccepted
        default: true
        }
    }

    /// That of a generation which the process, when it ended, had left unfinished, or which had ended before.
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
