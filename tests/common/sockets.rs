//! Transports of the operating system.

use tokio::net::{TcpSocket, TcpStream};

/// Two ends of a TCP connection with the smallest buffers that the system allows.
pub async fn small_tcp() -> (TcpStream, TcpStream) {
    let [listening, connecting] = [(), ()].map(|()| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(4096).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket
    });
    listening.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listening.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let (a, b) = tokio::join!(connecting.connect(address), listener.accept());
    (a.unwrap(), b.unwrap().0)
}
