import Network

/// Delays the status of a stream until the upstream has accepted the request, at most ``EventStream/statusHold``, so that a refusal
/// is reported by a real status. While the disk accepts no writes and no event has arrived, it continues to wait, up to
/// ``EventStream/diskHold``, so that this is reported by a status, too. Loop-confined.
package final class StatusHold {
    private let loop: EventLoop
    private let services: APIServices
    private let latest: Instant
    private let isEmpty: () -> Bool
    private let commit: () -> Void
    private var timer: LoopTimer?

    /// - Parameters:
    ///   - isEmpty: whether no event has arrived for the stream yet.
    ///   - commit: sends the status. Not called after ``cancel()``.
    package init(_ call: Call, isEmpty: @escaping () -> Bool, commit: @escaping () -> Void) {
        loop = call.loop
        services = call.services
        latest = loop.now + EventStream.diskHold
        self.isEmpty = isEmpty
        self.commit = commit
        wait()
    }

    /// Whether the status is still to come.
    package var isPending: Bool { timer?.isPending ?? false }

    package func cancel() { timer?.cancel() }

    private func wait() {
        timer = loop.schedule(after: EventStream.statusHold) { [weak self] in
            guard let self else { return }
            let waitsForDisk = isEmpty() && services.isStorageLate && loop.now < latest
            if waitsForDisk { wait() } else { commit() }
        }
    }
}
