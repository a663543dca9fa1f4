from drivers.rtp.process import main

main()
