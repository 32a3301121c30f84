// An echo on SwiftNIO: its own HTTP server and WebSocket upgrader, one handler, one event loop. Usage: NIOEcho PORT plain|fan-out
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket

/// Sends every message back; what came in one read leaves in one write.
final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .text, .binary, .continuation:
            let answer = WebSocketFrame(fin: frame.fin, opcode: frame.opcode, data: frame.unmaskedData)
            context.write(wrapOutboundOut(answer), promise: nil)
        case .ping: context.write(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData)), promise: nil)
        default: context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Everybody who is connected; one event loop alone touches it.
final class Members: @unchecked Sendable {
    var channels: [ObjectIdentifier: any Channel] = [:]
}

/// Sends a message to all others.
final class FanOutHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    private let members: Members

    init(_ members: Members) { self.members = members }

    func handlerAdded(context: ChannelHandlerContext) {
        members.channels[ObjectIdentifier(context.channel)] = context.channel
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        members.channels[ObjectIdentifier(context.channel)] = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        guard frame.opcode == .text || frame.opcode == .binary else { return context.close(promise: nil) }
        let message = WebSocketFrame(fin: frame.fin, opcode: frame.opcode, data: frame.unmaskedData)
        for channel in members.channels.values where channel !== context.channel { channel.writeAndFlush(message, promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// A request that is no upgrade is not served.
final class Refusal: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.close(promise: nil) }
}

let arguments = CommandLine.arguments
guard arguments.count >= 3, let port = Int(arguments[1]) else { preconditionFailure("usage: NIOEcho PORT plain|fan-out") }
let members = arguments[2] == "fan-out" ? Members() : nil
let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
let bootstrap = ServerBootstrap(group: group)
    .serverChannelOption(.backlog, value: 4096)
    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
    .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
            let upgrader = NIOWebSocketServerUpgrader(
                maxFrameSize: 1 << 20,
                shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture(HTTPHeaders()) },
                upgradePipelineHandler: { channel, _ in
                    channel.eventLoop.makeCompletedFuture {
                        if let members {
                            try channel.pipeline.syncOperations.addHandler(FanOutHandler(members))
                        } else {
                            try channel.pipeline.syncOperations.addHandler(EchoHandler())
                        }
                    }
                })
            let refusal = NIOLoopBound(Refusal(), eventLoop: channel.eventLoop)
            try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                withServerUpgrade: (
                    upgraders: [upgrader],
                    completionHandler: { $0.pipeline.syncOperations.removeHandler(refusal.value, promise: nil) }
                ))
            try channel.pipeline.syncOperations.addHandler(refusal.value)
        }
    }
try await bootstrap.bind(host: "127.0.0.1", port: port).get().closeFuture.get()
