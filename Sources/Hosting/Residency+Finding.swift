import Logging
package import Network

/// Finds objects in memory, or in the store, from which they are loaded onto a loop.
extension Residency {
    /// Finds an object.
    /// - Parameters:
    ///   - owner: the required owner. A client cannot tell another owner's object from a missing one.
    ///   - source: the store; nil if objects exist in memory only.
    ///   - then: called once, on `loop`; at once if the object is in memory. With nil if this owner has no such object.
    package func find<Source: ObjectSource<Object>>(
        _ id: String, owner: String, from loop: EventLoop, in source: Source?,
        then: @escaping (Result<Reference?, LoadFailure>) -> Void
    ) {
        if let reference = resident(id) {
            then(.success(reference.owner == owner ? reference : nil))
            return
        }
        load(id, from: loop, in: source) { result in
            then(result.map { $0.flatMap { $0.owner == owner ? $0 : nil } })
        }
    }

    /// Like ``find(_:owner:from:in:then:)``, by an alias.
    package func find<Source: ObjectSource<Object>>(
        alias: String, owner: String, from loop: EventLoop, in source: Source?,
        then: @escaping (Result<Reference?, LoadFailure>) -> Void
    ) {
        if let reference = resident(alias: alias) {
            then(.success(reference.owner == owner ? reference : nil))
            return
        }
        guard let source else {
            then(.success(nil))
            return
        }
        let answer = LoopBound(then, on: loop)
        source.findID(ofAlias: alias, owner: owner) { result in
            answer.loop.execute {
                switch result {
                case .failure(let failure): answer.value(.failure(failure))
                case .success(nil): answer.value(.success(nil))
                case .success(let id?): self.find(id, owner: owner, from: answer.loop, in: source, then: answer.value)
                }
            }
        }
    }

    private func load<Source: ObjectSource<Object>>(
        _ id: String, from loop: EventLoop, in source: Source?, then: @escaping (Result<Reference?, LoadFailure>) -> Void
    ) {
        guard let source else {
            then(.success(nil))
            return
        }
        switch beginLoading(id, LoopBound(then, on: loop)) {
        case .resident(let reference): then(.success(reference))
        case .gone: then(.success(nil))
        case .underWay: return
        case .mustLoad: load(id, from: source, on: policy.loop(requestedOn: loop))
        }
    }

    private func load<Source: ObjectSource<Object>>(_ id: String, from source: Source, on loop: EventLoop) {
        source.load(id) { result in
            switch result {
            case .failure(let failure):
                loop.logger.error(
                    "a \(Object.kind) cannot be read from the store", metadata: ["id": "\(id)", "error": "\(failure.reason)"])
                self.endLoading(id, .failure(failure))
            case .success(nil): self.endLoading(id, .success(nil))
            case .success(let stored?): loop.execute { self.endLoading(id, self.restore(stored, id, from: source, on: loop)) }
            }
        }
    }

    private func restore<Source: ObjectSource<Object>>(
        _ stored: Source.Stored, _ id: String, from source: Source, on loop: EventLoop
    ) -> Result<Reference?, LoadFailure> {
        do throws(LoadFailure) {
            return .success(try source.restore(stored, on: loop))
        } catch {
            loop.logger.error("a \(Object.kind) cannot be restored", metadata: ["id": "\(id)", "error": "\(error.reason)"])
            return .failure(error)
        }
    }

    // MARK: After a restart

    /// Delay before the store is asked again which objects resume.
    private static var retryDelay: Duration { .seconds(1) }

    /// Loads the objects whose work was interrupted by the end of the process, so that it resumes.
    /// - Parameter lifecycle: stops the retries when the host stops.
    package func recover(from source: some ObjectSource<Object>, until lifecycle: Lifecycle) async {
        var found: [(id: String, owner: String)]?
        while found == nil, !lifecycle.isDraining {
            do throws(LoadFailure) {
                found = try await source.unfinished()
            } catch {
                policy.loop(forRecovered: 0).logger.error(
                    "unfinished \(Object.kind)s cannot be read; trying again", metadata: ["error": "\(error.reason)"])
                try? await Task.sleep(for: Self.retryDelay)
            }
        }
        for (index, object) in (found ?? []).enumerated() {
            let loop = policy.loop(forRecovered: index)
            await withCheckedContinuation { continuation in
                loop.execute {
                    self.find(object.id, owner: object.owner, from: loop, in: source) { _ in continuation.resume() }
                }
            }
        }
    }
}
