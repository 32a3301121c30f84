import HTTP
import JSON
import Network
import Sessions

/// `response.create` and `response.steer`.
extension ResponsesSocket {
    /// - Parameter checked: the command, or what is wrong with it.
    func create(_ body: JSONObject, _ checked: Result<CreateCommand, APIError>) throws(APIError) {
        let lane = try lane(Self.streamID(body))
        let command = try checked.get()
        // Between the end of one and the start of the next nothing runs, but those that wait come first.
        if !lane.isAtRest, !isInterjection(command.request) { try wait(command, in: lane) } else { try start(command, in: lane) }
    }

    private func wait(_ command: CreateCommand, in lane: Lane) throws(APIError) {
        let waiting = lanes.values.reduce(0) { $0 + $1.waitingByteCount }
        guard waiting == 0 || waiting + command.byteCount <= Limits.maxWaitingBytes else {
            throw APIError(
                status: .tooManyRequests,
                message: "Commands of \(waiting) bytes wait on this connection already. Wait for one to begin.",
                type: "rate_limit_error", code: "websocket_stream_limit_reached")
        }
        try lane.wait(command)
        retain(byteCount: waiting + command.byteCount)
    }

    /// Whether it does not wait for its lane: it says how it cuts in, and into what.
    private func isInterjection(_ request: ResponsesRequest) -> Bool {
        guard let mode = request.extensions.mode, mode != .queue else { return false }
        return request.previousResponseID != nil || request.extensions.sessionID != nil
    }

    /// Starts what waits in a lane, if it is free: the first command that can be started.
    func startWaiting(in lane: Lane) {
        while isOpen, let command = lane.nextCommand() {
            retain(byteCount: lanes.values.reduce(0) { $0 + $1.waitingByteCount })
            do throws(APIError) {
                try start(command, in: lane)
            } catch {
                fail(error, for: command.body)
            }
        }
    }

    private func start(_ command: CreateCommand, in lane: Lane) throws(APIError) {
        let body = command.body
        var request = command.request
        var input = Input(
            items: request.items, parameters: request.parameters, policy: request.extensions.policy ?? .cancel)
        input.encoded = request.encoded
        input.mode = request.extensions.mode ?? .queue
        input.clientEventID = try body.optionalString("client_event_id")
        input.isWarmUp = request.isWarmUp
        let responseID = Identifier.make("resp_")
        input.responseID = responseID
        // A session that is not to be stored lives as long as this connection: what may follow on it needs it until then.
        let keepsSession = !request.isStored
        request.isStored = true
        let isNamed = request.extensions.sessionID != nil
        try admit(responseID, input.items, input.parameters)
        let reader = LaneReader(
            socket: self, lane: lane, responseID: responseID, cutForm: request.extensions.cutForm ?? cutForm)
        lane.begin(reader)
        encode(input, isLarge: command.request.isLarge) { [self, request] input in
            submit(input, of: request, isNamed: isNamed, keepsSession: keepsSession, reader, body)
        }
    }

    /// A command that has waited has no second copy of its items: one that is large is encoded now, off the loop. Its lane is busy.
    private func encode(_ input: Input, isLarge: Bool, then: @escaping (Input) -> Void) {
        guard input.encoded == nil, isLarge else { return then(input) }
        let items = input.items
        WorkerPool.shared.run(for: owner, on: loop) {
            EncodedItems(items)
        } then: { encoded in
            var input = input
            input.encoded = encoded
            then(input)
        }
    }

    private func submit(
        _ input: Input, of request: ResponsesRequest, isNamed: Bool, keepsSession: Bool, _ reader: LaneReader, _ body: JSONObject
    ) {
        let context = context
        let responseID = reader.responseID
        ResponsesFace.target(of: request, owner: owner, loop: loop, context: context, isDurable: !keepsSession) {
            [weak self] target in
            guard let self, self.isOpen else {
                context.metering.abandon(responseID, now: reader.loop.now)
                return
            }
            switch target {
            case .failure(let error):
                self.context.metering.abandon(responseID, now: self.loop.now)
                self.fail(error, for: body)
                reader.finish()
            case .success(let target):
                Submission(target: target, input: input, isDurable: !keepsSession)
                    .submit(from: self.loop, context: self.context, reader: reader) { [weak self] result in
                        switch result {
                        case .success(let outcome):
                            self?.logResponse(outcome.responseID, sessionID: outcome.session.id)
                            guard keepsSession, !isNamed else { return }
                            if let self, self.isOpen { return self.own(outcome.session) }
                            EphemeralSessions.release(outcome.session.id, on: outcome.session.loop, context)
                        case .failure(let error):
                            self?.context.metering.abandon(responseID, now: reader.loop.now)
                            self?.fail(error, for: body)
                            reader.finish()
                        }
                    }
            }
        }
    }

    func lane(_ streamID: String?) throws(APIError) -> Lane {
        if let lane = lanes[streamID] { return lane }
        if lanes.count >= Limits.maxLanes {
            // Lanes at rest are only names; forget them before refusing a new one.
            for (name, lane) in lanes where lane.isAtRest { lanes[name] = nil }
        }
        guard lanes.count < Limits.maxLanes else {
            throw APIError(
                status: .tooManyRequests, message: "\(Limits.maxLanes) lanes of this connection are busy.",
                type: "rate_limit_error", code: "websocket_stream_limit_reached")
        }
        let lane = Lane(streamID: streamID)
        lanes[streamID] = lane
        return lane
    }

    // MARK: Steering

    /// What a steer came to, from the session's loop.
    private enum SteerOutcome: Sendable {
        case accepted
        /// The response waits for the outputs of these tool calls.
        case pending([String])
        case failed(code: String, message: String)
    }

    /// - Parameter items: of the command, or what is wrong with them.
    func steer(_ body: JSONObject, _ items: Result<[Item], APIError>) throws(APIError) {
        let steer = Input.Steer(responseID: try body.optionalString("previous_response_id") ?? "")
        let new: [Item]
        do throws(APIError) {
            new = try items.get()
        } catch {
            steerFailed(steer, body, code: "invalid_input", error.message)
            return
        }
        let streamID = try Self.streamID(body)
        context.find(response: steer.responseID, owner: owner, from: loop) { [weak self] result in
            guard let self, self.isOpen else { return }
            do throws(APIError) {
                guard let reference = try result.get() else {
                    self.steerFailed(steer, body, code: "response_not_found", "Response '\(steer.responseID)' is not here.")
                    return
                }
                try self.steer(steer, in: reference, body, new, streamID)
            } catch {
                self.fail(error, for: body)
            }
        }
    }

    private func steer(
        _ steer: Input.Steer, in reference: SessionReference, _ body: JSONObject, _ items: [Item], _ streamID: String?
    ) throws(APIError) {
        let successor = Identifier.make("resp_")
        do throws(APIError) {
            try admit(successor, items, ResponseParameters(model: ""))
        } catch {
            steerFailed(steer, body, code: error.code ?? "rate_limit_exceeded", error.message)
            return
        }
        let context = context
        // The lane of the steered response gets the successor, too. A response of another connection is followed from here on.
        let followed = lanes.values.flatMap(\.readers).first { $0.open.contains(steer.responseID) }
        followed?.follow(successor)
        var own: LaneReader?
        var cursor: LoopBound<FeedCursor>?
        if followed == nil {
            let lane = try lane(streamID)
            let reader = LaneReader(socket: self, lane: lane, responseID: steer.responseID, cutForm: cutForm)
            reader.follow(successor)
            lane.begin(reader)
            cursor = reader.makeCursor(for: reference)
            own = reader
        }
        let newCursor = cursor
        let undo = { [weak self] in
            context.metering.abandon(successor, now: Instant.monotonicNow)
            followed?.unfollow(successor)
            own?.finish()
            return self
        }
        let fail = { (error: APIError) in
            undo()?.steerFailed(steer, body, code: error.code ?? "storage_unavailable", error.message) ?? ()
        }
        let withdraw = { @Sendable (session: Session, _: SteerOutcome) in
            session.withdraw(responseID: successor)
            if let target = session.generations.last(where: { $0.id == steer.responseID }) {
                session.withdraw(steerID: steer.id, from: target)
            }
        }
        reference.perform(from: loop, withdraw: withdraw, orElse: fail) { session in
            Self.steer(session, reference, context, steer, items, successor: successor, cursor: newCursor)
        } then: { outcome in
            if case .accepted = outcome { return }
            undo()?.answer(outcome, to: steer, body)
        }
    }

    /// On the session's loop.
    private static func steer(
        _ session: Session, _ reference: SessionReference, _ context: ServerContext, _ steer: Input.Steer, _ items: [Item],
        successor: String, cursor: LoopBound<FeedCursor>?
    ) -> SteerOutcome {
        guard let target = session.generations.last(where: { $0.id == steer.responseID }) else {
            return .failed(code: "response_not_found", message: "Response '\(steer.responseID)' is not here.")
        }
        if target.isActive {
            var input = Input(items: items, mode: .steer, parameters: target.parameters, policy: target.policy)
            input.steer = steer
            input.responseID = successor
            do throws(SessionError) {
                if let cursor { try session.attach(cursor.value, after: session.log.lastPosition) }
                _ = try context.sessions(on: reference.loop).submit(input, to: session)
                return .accepted
            } catch {
                return .failed(code: "successor_creation_failed", message: error.message)
            }
        }
        if case .completed = target.status {
            let calls = target.output.filter { $0.type == "function_call" || $0.type == "custom_tool_call" }
                .compactMap { $0.body["call_id"]?.string }
            if !calls.isEmpty, session.generations.last === target {
                do throws(SessionError) {
                    try session.keep(PendingSteer(id: steer.id, items: items), for: target)
                    return .pending(calls)
                } catch {
                    return .failed(code: error.code, message: error.message)
                }
            }
            return .failed(code: "response_already_completed", message: "Response '\(steer.responseID)' has completed.")
        }
        return .failed(code: "response_not_active", message: "Response '\(steer.responseID)' is not running.")
    }

    private func answer(_ outcome: SteerOutcome, to steer: Input.Steer, _ body: JSONObject) {
        switch outcome {
        case .accepted: break
        case .failed(let code, let message): steerFailed(steer, body, code: code, message)
        case .pending(let calls):
            send("response.steer.pending", for: body) { event in
                event.field("reason", "waiting_for_required_input")
                event.array("required_input") { list in
                    for call in calls {
                        list.object {
                            $0.field("type", "function_call_output")
                            $0.field("call_id", call)
                        }
                    }
                }
                event.object("steer") {
                    $0.field("id", steer.id)
                    $0.field("previous_response_id", steer.responseID)
                }
            }
        }
    }

    private func steerFailed(_ steer: Input.Steer, _ body: JSONObject, code: String, _ message: String) {
        send("response.steer.failed", for: body) { event in
            event.object("error") {
                $0.field("type", "invalid_request_error")
                $0.field("code", code)
                $0.field("message", message)
            }
            event.object("steer") {
                $0.field("id", steer.id)
                $0.field("previous_response_id", steer.responseID)
                $0.field("input", body["input"] ?? .null)
            }
        }
    }
}
