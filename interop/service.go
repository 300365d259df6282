package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// service is the name of the service on the wire.
const service = "mls_client.MLSClient"

// method describes one call.
func method[Q, A any](name string, f func(*Server, *Q) (*A, error)) grpc.MethodDesc {
	run := func(srv any, q any) (any, error) {
		s, ok := srv.(*Server)
		if !ok {
			return nil, status.Error(codes.Internal, "another server")
		}
		request, ok := q.(*Q)
		if !ok {
			return nil, status.Error(codes.Internal, "another request")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		answer, err := f(s, request)
		if err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		return answer, nil
	}
	return grpc.MethodDesc{MethodName: name, Handler: func(srv any, ctx context.Context, decode func(any) error, via grpc.UnaryServerInterceptor) (any, error) {
		q := new(Q)
		if err := decode(q); err != nil {
			return nil, err
		}
		if via == nil {
			return run(srv, q)
		}
		info := &grpc.UnaryServerInfo{Server: srv, FullMethod: "/" + service + "/" + name}
		return via(ctx, q, info, func(_ context.Context, q any) (any, error) { return run(srv, q) })
	}}
}

// description lists the calls.
func description() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{ServiceName: service, HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{
		method("Name", (*Server).name),
		method("SupportedCiphersuites", (*Server).suites),
		method("CreateGroup", (*Server).createGroup),
		method("CreateKeyPackage", (*Server).createKeyPackage),
		method("JoinGroup", (*Server).join),
		method("ExternalJoin", (*Server).externalJoin),
		method("GroupInfo", (*Server).groupInfo),
		method("StateAuth", (*Server).stateAuth),
		method("Export", (*Server).export),
		method("Protect", (*Server).protect),
		method("Unprotect", (*Server).unprotect),
		method("StorePSK", (*Server).storePSK),
		method("AddProposal", (*Server).addProposal),
		method("UpdateProposal", (*Server).updateProposal),
		method("RemoveProposal", (*Server).removeProposal),
		method("ExternalPSKProposal", (*Server).externalPSKProposal),
		method("ResumptionPSKProposal", (*Server).resumptionPSKProposal),
		method("GroupContextExtensionsProposal", (*Server).extensionsProposal),
		method("Commit", (*Server).commit),
		method("HandleCommit", (*Server).handleCommit),
		method("HandlePendingCommit", (*Server).handlePending),
		method("ReInitProposal", (*Server).reInitProposal),
		method("ReInitCommit", (*Server).commit),
		method("HandlePendingReInitCommit", (*Server).handlePendingReInit),
		method("HandleReInitCommit", (*Server).handleReInit),
		method("ReInitWelcome", (*Server).reInitWelcome),
		method("HandleReInitWelcome", (*Server).handleReInitWelcome),
		method("CreateBranch", (*Server).createBranch),
		method("HandleBranch", (*Server).handleBranch),
		method("NewMemberAddProposal", (*Server).newMemberProposal),
		method("CreateExternalSigner", (*Server).createSigner),
		method("AddExternalSigner", (*Server).addSigner),
		method("ExternalSignerProposal", (*Server).signerProposal),
		method("Free", (*Server).free),
	}}
}
