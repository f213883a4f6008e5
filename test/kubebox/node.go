package main

import (
	"context"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// failsAnnotation on a pod keeps it from starting; its value is the reason that people see.
const failsAnnotation = "kubebox/fails"

// heartbeat is well under the 40 s after which a silent node is given up.
const heartbeat = 10 * time.Second

// node plays a kubelet that runs nothing.
type node struct {
	client kubernetes.Interface
	name   string
	pods   atomic.Int64 // how many got an address
}

// startNode registers the node and answers for the pods that are bound to it.
func startNode(ctx context.Context, client kubernetes.Interface, name string) error {
	n := &node{client: client, name: name}
	_, err := client.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: name,
		Labels: map[string]string{
			corev1.LabelHostname:   name,
			corev1.LabelOSStable:   "linux",
			corev1.LabelArchStable: "amd64",
		},
	}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("registering the node: %w", err)
	}
	if err := n.beat(ctx, metav1.Now()); err != nil {
		return fmt.Errorf("reporting the node as ready: %w", err)
	}
	go n.keepBeating(ctx)

	mine := fields.OneTermEqualSelector("spec.nodeName", name).String()
	factory := informers.NewSharedInformerFactoryWithOptions(client, 5*time.Second,
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = mine }))
	_, err = factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(pod any) { n.see(ctx, pod) },
		UpdateFunc: func(_, pod any) { n.see(ctx, pod) },
	})
	factory.Start(ctx.Done())
	return err
}

func (n *node) keepBeating(ctx context.Context) {
	since := metav1.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(heartbeat):
			if err := n.beat(ctx, since); err != nil && ctx.Err() == nil {
				log.Printf("node heartbeat: %v", err)
			}
		}
	}
}

func (n *node) beat(ctx context.Context, since metav1.Time) error {
	self, err := n.client.CoreV1().Nodes().Get(ctx, n.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	room := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("1000"),
		corev1.ResourceMemory:           resource.MustParse("1Ti"),
		corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
		corev1.ResourcePods:             resource.MustParse("10000"),
	}
	self.Status.Capacity, self.Status.Allocatable = room, room
	self.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
	self.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeboxReady",
		LastHeartbeatTime: metav1.Now(), LastTransitionTime: since,
	}}
	_, err = n.client.CoreV1().Nodes().UpdateStatus(ctx, self, metav1.UpdateOptions{})
	return err
}

// see moves a pod one step on. A lost update is made good by the informer's resync.
func (n *node) see(ctx context.Context, object any) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	if pod.DeletionTimestamp != nil {
		now := int64(0)
		n.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
		return
	}
	if next := n.next(pod); next != nil {
		n.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{})
	}
}

// next is the pod with its next status, or nil where it stays as it is.
func (n *node) next(pod *corev1.Pod) *corev1.Pod {
	now := metav1.Now()
	message, fails := pod.Annotations[failsAnnotation]
	next := pod.DeepCopy()
	switch {
	case fails && len(pod.Status.ContainerStatuses) > 0:
		return nil
	case fails:
		n.place(next, now)
		setContainers(next, false, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
			Reason: "ImagePullBackOff", Message: message,
		}}, now)
	case pod.Status.Phase == corev1.PodPending:
		n.place(next, now)
		next.Status.Phase = corev1.PodRunning
		setContainers(next, true, corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}, now)
	case pod.Status.Phase == corev1.PodRunning && ownedByJob(pod):
		next.Status.Phase = corev1.PodSucceeded
		setContainers(next, false, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: "Completed", StartedAt: now, FinishedAt: now,
		}}, now)
	default:
		return nil
	}
	return next
}

// place gives the pod its addresses.
func (n *node) place(pod *corev1.Pod, now metav1.Time) {
	i := n.pods.Add(1)
	ip := fmt.Sprintf("10.244.%d.%d", i/250%256, i%250+1)
	pod.Status.StartTime, pod.Status.HostIP = &now, "127.0.0.1"
	pod.Status.PodIP, pod.Status.PodIPs = ip, []corev1.PodIP{{IP: ip}}
}

// setContainers gives every container the same state, and the conditions that follow from it.
func setContainers(pod *corev1.Pod, ready bool, state corev1.ContainerState, now metav1.Time) {
	statuses := make([]corev1.ContainerStatus, 0, len(pod.Spec.Containers))
	for _, c := range pod.Spec.Containers {
		statuses = append(statuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, Ready: ready, Started: &ready, State: state,
		})
	}
	pod.Status.ContainerStatuses = statuses
	whenReady := corev1.ConditionFalse
	if ready {
		whenReady = corev1.ConditionTrue
	}
	pod.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: now},
		{Type: corev1.PodInitialized, Status: corev1.ConditionTrue, LastTransitionTime: now},
		{Type: corev1.ContainersReady, Status: whenReady, LastTransitionTime: now},
		{Type: corev1.PodReady, Status: whenReady, LastTransitionTime: now},
	}
}

func ownedByJob(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	return owner != nil && owner.Kind == "Job"
}
